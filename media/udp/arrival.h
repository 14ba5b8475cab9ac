/* When packets came, for all compiled code that reads sockets with SO_TIMESTAMPNS. See socket(7), cmsg(3). */
#ifndef ARRIVAL_H
#define ARRIVAL_H
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#ifndef SCM_TIMESTAMPNS
#define SCM_TIMESTAMPNS SO_TIMESTAMPNS
#endif

enum {
  /* Octets of a packet at most. */
  largest_packet = 2048,
  /* No packet counts as having waited for longer, in milliseconds: native.ts tells why. */
  longest_wait = 1000
};

/* When the kernel took the packet of a message, in milliseconds since 1970. Returns 0 where it does not say. */
static inline int kernel_time(struct msghdr *message, double *wall) {
  struct cmsghdr *control = CMSG_FIRSTHDR(message);
  if (control == NULL || control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS) return 0;
  struct timespec stamp;
  memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
  *wall = stamp.tv_sec * 1000.0 + stamp.tv_nsec / 1e6;
  return 1;
}

#endif
