/* The hashes of a whole commit in one call: what log/hashing.ts and log/merkle.ts do entry by entry in TypeScript, octet for octet.
 *
 * SHA-256 is OpenSSL's, which Node carries and lends to what it loads.
 */
#include <stdint.h>
#include <string.h>

enum { hash_octets = 32, hex_octets = 2 * hash_octets, marks_of_entry = 4 };

/* Room for OpenSSL's SHA256_CTX, of 112 octets. */
struct sha256 {
  uint64_t room[16];
};

int SHA256_Init(struct sha256 *);
int SHA256_Update(struct sha256 *, const void *, size_t);
int SHA256_Final(uint8_t *, struct sha256 *);

static void sha256(const uint8_t *octets, size_t length, uint8_t *out) {
  struct sha256 state;
  SHA256_Init(&state);
  SHA256_Update(&state, octets, length);
  SHA256_Final(out, &state);
}

static void write_hex(const uint8_t *octets, uint8_t *out) {
  static const char digits[] = "0123456789abcdef";
  for (int at = 0; at < hash_octets; at++) {
    *out++ = digits[octets[at] >> 4];
    *out++ = digits[octets[at] & 15];
  }
}

/* Entries from leaf number `first` on. Marks of an entry: where it begins, where its number ends, where its previous hash begins, where it ends.
 * `previous` holds the hash before the first, in hex, and that of the last afterwards; `hashes` gets all of them. */
void chain_entries(uint8_t *data, const uint32_t *marks, int count, double first, uint8_t *previous, uint8_t *hashes) {
  for (int number = 0; number < count; number++, marks += marks_of_entry, hashes += hash_octets) {
    uint32_t begin = marks[0], digit = marks[1], end = marks[3], octets = end - begin;
    uint64_t left = (uint64_t)first + number;
    do {
      data[--digit] = '0' + left % 10;
      left /= 10;
    } while (left > 0);
    memcpy(data + marks[2], previous, hex_octets);
    data[begin - 1] = 0;
    sha256(data + begin - 1, 1 + octets, hashes);
    write_hex(hashes, previous);
    data[begin - 2] = octets >> 8;
    data[begin - 1] = octets;
  }
}

/* Hashes of the nodes over `count` pairs of hashes that lie one behind the other. */
void node_hashes(const uint8_t *pairs, int count, uint8_t *out) {
  uint8_t node[1 + 2 * hash_octets];
  node[0] = 1;
  for (int number = 0; number < count; number++) {
    memcpy(node + 1, pairs + (size_t)number * 2 * hash_octets, 2 * hash_octets);
    sha256(node, sizeof node, out + (size_t)number * hash_octets);
  }
}
