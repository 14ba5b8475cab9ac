/*
 * Counts the words of a file and of its input, and writes the first count to a second file.
 *
 *     clang --target=wasm32-wasi -Os -Wl,--strip-all -o words.wasm words.c      (Debian 12: clang lld wasi-libc libclang-rt-14-dev-wasm32)
 */
#include <ctype.h>
#include <stdio.h>

static int words(FILE *from) {
  int count = 0, inside = 0, c;
  while ((c = getc(from)) != EOF) {
    if (isspace(c)) inside = 0;
    else if (!inside) inside = 1, count++;
  }
  return count;
}

int main(int argc, char **argv) {
  FILE *file = argc > 1 ? fopen(argv[1], "r") : NULL;
  if (file == NULL) return 3;
  int count = words(file);
  if (argc > 2) {
    FILE *out = fopen(argv[2], "w");
    if (out == NULL || fprintf(out, "%d\n", count) < 0 || fclose(out) != 0) return 4;
  }
  printf("%d words, %d of the input\n", count, words(stdin));
  return 0;
}
