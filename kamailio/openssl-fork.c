/*
 * Gives each process of Kamailio its own thread-local state of OpenSSL 3.
 *
 * Kamailio 5.6 and 5.7 keep what OpenSSL allocates in memory shared by all their processes. The main process loads the certificates before it forks, so
 * OpenSSL's error queue and random generators of its thread are inherited by every worker, by address: two TLS workers then free and reuse the same
 * blocks, and a connection's state ends up under another's. Under load with callers who break off, that ends all of Kamailio within a minute or so.
 * A forked process therefore forgets the thread-local pointers it inherited and OpenSSL makes it new ones. Kamailio from 5.8 on does the same by itself
 * (tls_threads_mode=2).
 *
 * Built by scripts/setup.sh, preloaded by kamailio.ts.
 */
#include <pthread.h>

/* OpenSSL takes its keys while the first certificate is loaded; upstream, too, looks at the first sixteen. */
enum { keys = 16 };

static void forget(void) {
  for (pthread_key_t key = 0; key < keys; key++)
    if (pthread_getspecific(key) != NULL) pthread_setspecific(key, NULL);
}

__attribute__((constructor)) static void prepare(void) { pthread_atfork(NULL, NULL, forget); }
