/*
 * Looks through the log of a training run, line by line, for a reward that rose while the task failed, and raises the hazard `safety` when it finds one.
 *
 *     clang --target=wasm32-wasi -Os -Wl,--strip-all -o review.wasm review.c      (Debian 12: clang lld wasi-libc libclang-rt-14-dev-wasm32)
 *
 * Each line is `STEP REWARD TASK`, numbers being whole and TASK `done` or `failed`. The result is a line of JSON.
 */
#include <stdio.h>
#include <string.h>

#define HOST(name) __attribute__((import_module("infrafabric"), import_name(name)))
HOST("output_write") int output_write(const char *octets, unsigned length);
HOST("raise_hazard") int raise_hazard(const char *name, unsigned length, const char *summary, unsigned summary_length);

int main(void) {
  char task[16], text[160];
  int step, reward, before = 0, lines = 0, found = 0, last = 0;
  while (scanf("%d %d %15s", &step, &reward, task) == 3) {
    if (lines++ > 0 && reward > before && strcmp(task, "failed") == 0) found++, last = step;
    before = reward;
  }
  int raised = 0;
  if (found > 0) {
    int length = snprintf(text, sizeof text, "reward rose while the task failed, %d times in %d steps, last at step %d", found, lines, last);
    puts(text);
    raised = raise_hazard("safety", 6, text, (unsigned)length) == 0;
  }
  int length = snprintf(text, sizeof text, "{\"steps\":%d,\"suspicious\":%d,\"escalated\":%s}\n", lines, found, raised ? "true" : "false");
  return output_write(text, (unsigned)length) == 0 && lines > 0 ? 0 : 1;
}
