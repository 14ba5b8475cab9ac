/* What the ledger computes in compiled code, as an addon of Node: the hashes of a whole commit in one call, which log/hashing.ts does entry by entry in TypeScript, octet for
 * octet; and Ed25519, for which node:crypto would have to be loaded. compiled.ts tells the functions, and keeps to their lengths.
 *
 * SHA-256 and Ed25519 are OpenSSL's, which Node carries and lends to what it loads.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { hash_octets = 32, hex_octets = 2 * hash_octets, marks_of_draft = 4, key_octets = 32, signature_octets = 64, length_octets = 2 };

/* OpenSSL: room for its SHA256_CTX, of 112 octets; its number for Ed25519. */
struct sha256_state {
  uint64_t room[16];
};
enum { ed25519 = 1087 };

int SHA256_Init(struct sha256_state *);
int SHA256_Update(struct sha256_state *, const void *, size_t);
int SHA256_Final(uint8_t *, struct sha256_state *);
void *EVP_PKEY_new_raw_private_key(int, void *, const uint8_t *, size_t);
void *EVP_PKEY_new_raw_public_key(int, void *, const uint8_t *, size_t);
int EVP_PKEY_get_raw_public_key(const void *, uint8_t *, size_t *);
void EVP_PKEY_free(void *);
void *EVP_MD_CTX_new(void);
void EVP_MD_CTX_free(void *);
int EVP_DigestSignInit(void *, void *, const void *, void *, void *);
int EVP_DigestSign(void *, uint8_t *, size_t *, const uint8_t *, size_t);
int EVP_DigestVerifyInit(void *, void *, const void *, void *, void *);
int EVP_DigestVerify(void *, const uint8_t *, size_t, const uint8_t *, size_t);
void ERR_clear_error(void);

/* Node-API, version 8. */
typedef struct env *napi_env;
typedef struct value *napi_value;
typedef struct call *napi_callback_info;
typedef napi_value (*napi_callback)(napi_env, napi_callback_info);

int napi_get_cb_info(napi_env, napi_callback_info, size_t *, napi_value *, napi_value *, void **);
int napi_get_typedarray_info(napi_env, napi_value, int *, size_t *, void **, napi_value *, size_t *);
int napi_get_value_double(napi_env, napi_value, double *);
int napi_create_double(napi_env, double, napi_value *);
int napi_get_boolean(napi_env, bool, napi_value *);
int napi_create_function(napi_env, const char *, size_t, napi_callback, void *, napi_value *);
int napi_set_named_property(napi_env, napi_value, const char *, napi_value);

/* The hash of octets behind a prefix. */
static void hash_behind(const uint8_t *prefix, size_t prefix_length, const uint8_t *octets, size_t length, uint8_t *out) {
  struct sha256_state state;
  SHA256_Init(&state);
  SHA256_Update(&state, prefix, prefix_length);
  SHA256_Update(&state, octets, length);
  SHA256_Final(out, &state);
}

static const uint8_t leaf_prefix = 0, node_prefix = 1;

static void write_hex(const uint8_t *octets, uint8_t *out) {
  static const char digits[] = "0123456789abcdef";
  for (int at = 0; at < hash_octets; at++) {
    *out++ = digits[octets[at] >> 4];
    *out++ = digits[octets[at] & 15];
  }
}

enum { most_arguments = 8 };

struct arguments {
  napi_env env;
  napi_value given[most_arguments];
};

static struct arguments arguments_of(napi_env env, napi_callback_info info) {
  struct arguments arguments = {env, {0}};
  size_t count = most_arguments;
  napi_get_cb_info(env, info, &count, arguments.given, NULL, NULL);
  return arguments;
}

/* Memory of a typed array, and how many elements it has. */
static void *array_at(const struct arguments *of, int number, size_t *length) {
  void *data = NULL;
  size_t ignored;
  napi_get_typedarray_info(of->env, of->given[number], NULL, length == NULL ? &ignored : length, &data, NULL, NULL);
  return data;
}

static double number_at(const struct arguments *of, int number) {
  double value = 0;
  napi_get_value_double(of->env, of->given[number], &value);
  return value;
}

static uint8_t *put(uint8_t *out, const uint8_t *octets, size_t length) {
  memcpy(out, octets, length);
  return out + length;
}

static uint8_t *put_number(uint8_t *out, uint64_t number) {
  uint8_t digits[20], *digit = digits + sizeof digits;
  do *--digit = '0' + number % 10;
  while ((number /= 10) > 0);
  return put(out, digit, digits + sizeof digits - digit);
}

/* finish(drafts, marks, count, first, previous, data, at, hashes): entries from leaf number `first` on, to `data` from octet `at` on. Marks of a draft: where it begins, where
 * its number stands, where its previous hash stands, where it ends. `previous` holds the hash before the first, in hex, and that of the last afterwards; `hashes` gets all of
 * them. Returns the octet behind the last entry. */
static napi_value finish(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  const uint8_t *drafts = array_at(&given, 0, NULL);
  const uint32_t *marks = array_at(&given, 1, NULL);
  int count = number_at(&given, 2);
  uint64_t first = number_at(&given, 3);
  uint8_t *previous = array_at(&given, 4, NULL), *hashes = array_at(&given, 7, NULL);
  uint8_t *data = array_at(&given, 5, NULL), *out = data + (size_t)number_at(&given, 6);
  for (int number = 0; number < count; number++, marks += marks_of_draft, hashes += hash_octets) {
    uint8_t *begin = out + length_octets;
    out = put(begin, drafts + marks[0], marks[1] - marks[0]);
    out = put_number(out, first + number);
    out = put(out, drafts + marks[1], marks[2] - marks[1]);
    out = put(out, previous, hex_octets);
    out = put(out, drafts + marks[2], marks[3] - marks[2]);
    uint32_t octets = out - begin;
    begin[-2] = octets >> 8;
    begin[-1] = octets;
    hash_behind(&leaf_prefix, 1, begin, octets, hashes);
    write_hex(hashes, previous);
  }
  napi_value behind = NULL;
  napi_create_double(env, out - data, &behind);
  return behind;
}

/* nodes(pairs, from, count, out, at): hashes of the nodes over `count` pairs of hashes that lie one behind the other from octet `from` on, to `out`, from octet `at` on. */
static napi_value nodes(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  const uint8_t *pairs = (uint8_t *)array_at(&given, 0, NULL) + (size_t)number_at(&given, 1);
  uint8_t *out = (uint8_t *)array_at(&given, 3, NULL) + (size_t)number_at(&given, 4);
  int count = number_at(&given, 2);
  for (int number = 0; number < count; number++)
    hash_behind(&node_prefix, 1, pairs + (size_t)number * 2 * hash_octets, 2 * hash_octets, out + (size_t)number * hash_octets);
  return NULL;
}

static napi_value hash_of(napi_env env, napi_callback_info info, size_t prefix_length) {
  struct arguments given = arguments_of(env, info);
  size_t length;
  const uint8_t *octets = array_at(&given, 0, &length);
  hash_behind(&leaf_prefix, prefix_length, octets, length, array_at(&given, 1, NULL));
  return NULL;
}

/* leaf(entry, out) */
static napi_value leaf(napi_env env, napi_callback_info info) { return hash_of(env, info, 1); }

/* sha256(octets, out) */
static napi_value sha256(napi_env env, napi_callback_info info) { return hash_of(env, info, 0); }

static napi_value truth(napi_env env, bool is) {
  napi_value value = NULL;
  napi_get_boolean(env, is, &value);
  // what OpenSSL has to say of a bad signature is not for the next of Node's own calls
  if (!is) ERR_clear_error();
  return value;
}

/* publicKey(seed, out): whether it could be made. */
static napi_value public_key(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  size_t length = key_octets;
  void *key = EVP_PKEY_new_raw_private_key(ed25519, NULL, array_at(&given, 0, NULL), key_octets);
  bool made = key != NULL && EVP_PKEY_get_raw_public_key(key, array_at(&given, 1, NULL), &length) == 1;
  EVP_PKEY_free(key);
  return truth(env, made);
}

/* sign(seed, octets, out): whether it was signed. */
static napi_value sign(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  size_t length, written = signature_octets;
  const uint8_t *octets = array_at(&given, 1, &length);
  void *key = EVP_PKEY_new_raw_private_key(ed25519, NULL, array_at(&given, 0, NULL), key_octets);
  void *context = EVP_MD_CTX_new();
  bool made = key != NULL && context != NULL && EVP_DigestSignInit(context, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(context, array_at(&given, 2, NULL), &written, octets, length) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return truth(env, made);
}

/* verify(publicKey, octets, signature): whether it is a good one. */
static napi_value verify(napi_env env, napi_callback_info info) {
  struct arguments given = arguments_of(env, info);
  size_t length, signature_length;
  const uint8_t *octets = array_at(&given, 1, &length), *signature = array_at(&given, 2, &signature_length);
  void *key = EVP_PKEY_new_raw_public_key(ed25519, NULL, array_at(&given, 0, NULL), key_octets);
  void *context = EVP_MD_CTX_new();
  bool good = key != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestVerify(context, signature, signature_length, octets, length) == 1;
  EVP_MD_CTX_free(context);
  EVP_PKEY_free(key);
  return truth(env, good);
}

napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  static const struct {
    const char *name;
    napi_callback function;
  } table[] = {{"finish", finish},         {"nodes", nodes}, {"leaf", leaf},    {"sha256", sha256},
               {"publicKey", public_key}, {"sign", sign},   {"verify", verify}};
  for (size_t row = 0; row < sizeof table / sizeof *table; row++) {
    napi_value function;
    if (napi_create_function(env, NULL, 0, table[row].function, NULL, &function) != 0) return NULL;
    napi_set_named_property(env, exports, table[row].name, function);
  }
  return exports;
}
