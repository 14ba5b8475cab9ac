/* Many packets sent in one system call, by io_uring: for all compiled code that sends from sockets of its own for each leg, into which sendmmsg does not reach.
 *
 * Requests are finished when the call returns (MSG_DONTWAIT), in their order: nothing is under way in between, so that a socket can be closed at any time. Only what the kernel
 * would not take is told of. Where the kernel, or a container's filter, has no ring for us, or not all that this needs, there is none (`descriptor` −1), and who sends
 * does so one by one.
 *
 * See io_uring_setup(2), io_uring_enter(2), io_uring_register(2). */
#ifndef RING_H
#define RING_H
#include <arpa/inet.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
  /* Packets that leave together, a power of two. */
  gathered = 64
};

/* A ring belongs to the thread that has opened it. */
struct ring {
  /* By which the thread knows it: no file descriptor, so that nothing is left open when the thread is lost. */
  int32_t descriptor;
  uint32_t tail, mask, answers_mask;
  uint32_t *kernel_tail, *answers_head, *answers_tail;
  struct io_uring_sqe *requests;
  struct io_uring_cqe *answers;
  void *shared;
  size_t shared_octets;
};

/* Headers of Linux 6.0 name all that this needs. */
#ifdef IORING_SETUP_SINGLE_ISSUER

/* IORING_REGISTER_USE_REGISTERED_RING, of Linux 6.3; before it a ring is given back when its thread ends. */
static const uint32_t by_number_of_thread = 1U << 31;

/* Puts a packet in line, as the n-th of those that leave next. What it points to stays until they have left. */
static inline void ring_put(struct ring *ring, int n, int descriptor, const void *octets, int length, const struct sockaddr *to, socklen_t to_length) {
  ring->requests[(ring->tail + n) & ring->mask] = (struct io_uring_sqe){
      .opcode = IORING_OP_SEND,
      .flags = IOSQE_CQE_SKIP_SUCCESS,
      .fd = descriptor,
      .addr = (uintptr_t)octets,
      .len = length,
      .msg_flags = MSG_DONTWAIT,
      .addr2 = (uintptr_t)to,
      .addr_len = to_length,
      .user_data = n,
  };
}

/* Sends the packets that were put in line. Returns how many of them the kernel has looked at: the others are still to be sent. Those that it would not take are
 * added to `refused`, behind the `*refusals` that stand there. */
static inline int ring_send(struct ring *ring, int count, int32_t *refused, int *refusals) {
  __atomic_store_n(ring->kernel_tail, ring->tail + count, __ATOMIC_RELEASE);
  int taken = syscall(SYS_io_uring_enter, ring->descriptor, count, 0, IORING_ENTER_REGISTERED_RING, NULL, 0);
  if (taken < 0) taken = 0;
  ring->tail += taken;
  if (taken < count) __atomic_store_n(ring->kernel_tail, ring->tail, __ATOMIC_RELEASE);
  uint32_t at = *ring->answers_head, end = __atomic_load_n(ring->answers_tail, __ATOMIC_ACQUIRE);
  for (; at != end; at++) refused[(*refusals)++] = ring->answers[at & ring->answers_mask].user_data;
  __atomic_store_n(ring->answers_head, at, __ATOMIC_RELEASE);
  return taken;
}

static inline void ring_close(struct ring *ring) {
  if (ring->descriptor >= 0) {
    struct io_uring_rsrc_update of_thread = {.offset = ring->descriptor};
    syscall(SYS_io_uring_register, ring->descriptor, IORING_UNREGISTER_RING_FDS | by_number_of_thread, &of_thread, 1);
  }
  ring->descriptor = -1;
  if (ring->requests != NULL) munmap(ring->requests, gathered * sizeof *ring->requests);
  if (ring->shared != NULL) munmap(ring->shared, ring->shared_octets);
  ring->requests = ring->shared = NULL;
}

/* Whether a packet goes out by it: to the socket that has sent it. */
static inline int ring_works(struct ring *ring) {
  struct sockaddr_in self = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof self;
  int32_t refused[1], refusals = 0;
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), taken = 0;
  if (descriptor >= 0 && bind(descriptor, (struct sockaddr *)&self, length) == 0 && getsockname(descriptor, (struct sockaddr *)&self, &length) == 0) {
    ring_put(ring, 0, descriptor, "", 1, (struct sockaddr *)&self, length);
    taken = ring_send(ring, 1, refused, &refusals);
  }
  if (descriptor >= 0) close(descriptor);
  return taken == 1 && refusals == 0;
}

static inline void *ring_map(int descriptor, size_t octets, off_t what) {
  void *at = mmap(NULL, octets, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, descriptor, what);
  return at == MAP_FAILED ? NULL : at;
}

/* Prepares a ring for this thread, if it is to have one. */
static inline void ring_open(struct ring *ring) {
  struct io_uring_params params = {.flags = IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER};
  *ring = (struct ring){.descriptor = -1};
  int descriptor = syscall(SYS_io_uring_setup, gathered, &params);
  if (descriptor < 0) return;
  size_t to_order = params.sq_off.array + params.sq_entries * sizeof(uint32_t), to_answers = params.cq_off.cqes + params.cq_entries * sizeof *ring->answers;
  ring->shared_octets = to_order > to_answers ? to_order : to_answers;
  ring->shared = ring_map(descriptor, ring->shared_octets, IORING_OFF_SQ_RING);
  ring->requests = ring_map(descriptor, gathered * sizeof *ring->requests, IORING_OFF_SQES);
  struct io_uring_rsrc_update of_thread = {.offset = -1U, .data = descriptor};
  if (ring->shared != NULL && ring->requests != NULL && syscall(SYS_io_uring_register, descriptor, IORING_REGISTER_RING_FDS, &of_thread, 1) == 1) {
    char *shared = ring->shared;
    ring->descriptor = of_thread.offset;
    ring->kernel_tail = (uint32_t *)(shared + params.sq_off.tail);
    ring->tail = *ring->kernel_tail;
    ring->mask = params.sq_entries - 1;
    ring->answers = (struct io_uring_cqe *)(shared + params.cq_off.cqes);
    ring->answers_head = (uint32_t *)(shared + params.cq_off.head);
    ring->answers_tail = (uint32_t *)(shared + params.cq_off.tail);
    ring->answers_mask = params.cq_entries - 1;
    uint32_t *order = (uint32_t *)(shared + params.sq_off.array);
    for (uint32_t n = 0; n < params.sq_entries; n++) order[n] = n;
  }
  close(descriptor);
  if (ring->descriptor < 0 || !ring_works(ring)) ring_close(ring);
}

#else

static inline void ring_put(struct ring *ring, int n, int descriptor, const void *octets, int length, const struct sockaddr *to, socklen_t to_length) {}
static inline int ring_send(struct ring *ring, int count, int32_t *refused, int *refusals) { return 0; }
static inline void ring_close(struct ring *ring) {}
static inline void ring_open(struct ring *ring) { *ring = (struct ring){.descriptor = -1}; }

#endif
#endif
