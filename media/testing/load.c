/* The calling side of the benchmark where it must take as little of the machine as it can: phones that send prepared packets on time, and of which some look at
 * what comes back. Those that do not and send at the same time share a socket: it sends for all of them in one call, and what comes back is dropped by the kernel.
 * load.ts says who listens, and what is sent. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef SCM_TIMESTAMPNS
#define SCM_TIMESTAMPNS SO_TIMESTAMPNS
#endif

enum { header = 12, largest_packet = 2048, burst = 8, rounds = 20, control_octets = 64, together = 64, lateness_steps = 1000, most_tenths = 36000 };
static const double frame_ms = 20;

struct phone {
  /* Of one that listens; else −1. */
  int32_t descriptor, at;
  struct sockaddr_in to;
  uint16_t sequence;
  uint32_t timestamp, last_timestamp;
  /* When the first packet that counts came, or should have come; below zero before it. */
  double first_ms, frames;
};

/* Sent, received, missing, late packets; how late rounds began, by tenths of a millisecond: how well a bare program keeps time here; and the missing and late packets
 * of each tenth of a second that counts. */
struct figures {
  double sent, received, missing, late;
  double rounds_late[lateness_steps];
  double underruns[most_tenths];
};

static struct phone *phones;
static int count;
/* By the round in which they send: 0 before there is one. */
static int shared[rounds], shared_ports[rounds];
static int64_t round_number;
static double begun_ms, counted_from_ms;

static struct mmsghdr messages[burst];
static struct iovec vectors[burst];
static uint8_t packets[burst][largest_packet], controls[burst][control_octets];

/* What the phones of a round say in one call. */
static struct mmsghdr said[together];
static struct iovec said_vectors[together];
static uint8_t said_packets[together][largest_packet];

static double now_of(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

/* Room for phones, to be opened one by one. Returns 0 where memory is missing. */
int load_open(int most) {
  phones = calloc(most, sizeof *phones);
  for (int n = 0; n < burst; n++) {
    vectors[n].iov_base = packets[n];
    vectors[n].iov_len = largest_packet;
    messages[n].msg_hdr.msg_iov = &vectors[n];
    messages[n].msg_hdr.msg_iovlen = 1;
    messages[n].msg_hdr.msg_control = controls[n];
  }
  for (int n = 0; n < together; n++) {
    said_vectors[n].iov_base = said_packets[n];
    said[n].msg_hdr.msg_iov = &said_vectors[n];
    said[n].msg_hdr.msg_iovlen = 1;
    said[n].msg_hdr.msg_namelen = sizeof(struct sockaddr_in);
  }
  return phones != NULL;
}

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return name;
}

/* A socket at a port; -1 where it is not to be had. One that does not listen has room for next to nothing. */
static int open_socket(int port, int listens) {
  struct sockaddr_in name = loopback(port);
  int descriptor = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), on = 1, room = listens ? 1 << 20 : 0;
  if (descriptor < 0) return -1;
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
  if (listens) setsockopt(descriptor, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
  if (bind(descriptor, (struct sockaddr *)&name, sizeof name) == 0) return descriptor;
  close(descriptor);
  return -1;
}

/* One phone more, at this port or one that is shared. Returns its port, 0 where the port is not to be had. */
int load_phone(int port, int listens) {
  int round = count % rounds, descriptor = -1;
  if (listens || shared_ports[round] == 0) {
    descriptor = open_socket(port, listens);
    if (descriptor < 0) return 0;
  }
  if (!listens) {
    if (descriptor >= 0) {
      shared[round] = descriptor;
      shared_ports[round] = port;
    }
    descriptor = -1;
    port = shared_ports[round];
  }
  phones[count++] = (struct phone){.descriptor = descriptor, .first_ms = -1};
  return port;
}

/* Where a phone sends, and the payload that it begins with. */
int load_aim(int n, int port, int payload) {
  struct phone *phone = &phones[n];
  phone->to = loopback(port);
  phone->at = payload;
  begun_ms = now_of(CLOCK_MONOTONIC);
  return phone->descriptor < 0 || connect(phone->descriptor, (struct sockaddr *)&phone->to, sizeof phone->to) == 0;
}

/* By RTP timestamp, not by number: the time of frames that the plane has left out counts too. */
static void hear(struct phone *phone, const uint8_t *packet, double arrived_ms, int clock, int counting, struct figures *figures) {
  uint32_t timestamp = (uint32_t)packet[4] << 24 | packet[5] << 16 | packet[6] << 8 | packet[7];
  if (!counting || phone->first_ms < 0) {
    phone->last_timestamp = timestamp;
    phone->frames = 0;
    phone->first_ms = counting ? arrived_ms : -1;
    if (counting) figures->received++;
    return;
  }
  figures->received++;
  double ahead = (int32_t)(timestamp - phone->last_timestamp) / (double)clock;
  phone->last_timestamp = timestamp;
  phone->frames += ahead;
  int tenth = (arrived_ms - counted_from_ms) / 100;
  double *underruns = &figures->underruns[tenth < 0 ? 0 : tenth < most_tenths ? tenth : most_tenths - 1];
  if (ahead > 1) {
    figures->missing += ahead - 1;
    *underruns += ahead - 1;
  }
  double late_ms = arrived_ms - phone->first_ms - phone->frames * frame_ms;
  if (late_ms > frame_ms) {
    figures->late++;
    ++*underruns;
  }
  /* The first packet may itself have been late: the earliest seen is the measure. */
  else if (late_ms < 0) phone->first_ms += late_ms;
}

static void listen_to(struct phone *phone, int clock, int counting, struct figures *figures) {
  for (int got = burst; got == burst;) {
    for (int n = 0; n < burst; n++) messages[n].msg_hdr.msg_controllen = control_octets;
    got = recvmmsg(phone->descriptor, messages, burst, MSG_DONTWAIT, NULL);
    for (int n = 0; n < got; n++) {
      struct cmsghdr *control = CMSG_FIRSTHDR(&messages[n].msg_hdr);
      /* Reports are no sound. */
      if (messages[n].msg_len < header || (packets[n][1] >= 192 && packets[n][1] <= 223)) continue;
      double arrived_ms = now_of(CLOCK_REALTIME);
      if (control != NULL && control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_TIMESTAMPNS) {
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(control), sizeof stamp);
        arrived_ms = stamp.tv_sec * 1e3 + stamp.tv_nsec / 1e6;
      }
      hear(phone, packets[n], arrived_ms, clock, counting, figures);
    }
  }
}

/* Writes a phone's next packet. Returns its octets. */
static int speak(struct phone *phone, uint32_t ssrc, uint8_t *packet, const uint8_t *payloads, const int32_t *ends, int payload_count, int type, int clock) {
  uint32_t timestamp = htonl(phone->timestamp), source = htonl(ssrc);
  int from = phone->at == 0 ? 0 : ends[phone->at - 1], octets = ends[phone->at] - from;
  packet[0] = 0x80;
  packet[1] = type;
  packet[2] = phone->sequence >> 8;
  packet[3] = phone->sequence;
  memcpy(packet + 4, &timestamp, 4);
  memcpy(packet + 8, &source, 4);
  memcpy(packet + header, payloads + from, octets);
  phone->sequence++;
  phone->timestamp += clock;
  phone->at = (phone->at + 1) % payload_count;
  return header + octets;
}

/* Lets the phones talk until so long after they began; each frame a phone sends once, and then reads what came since. Blocks. `ends`: where payloads end. */
void load_talk(double until_ms, int counting, const uint8_t *payloads, const int32_t *ends, int payload_count, int type, int clock, struct figures *figures) {
  double end_ms = begun_ms + until_ms;
  if (counting) counted_from_ms = now_of(CLOCK_REALTIME);
  for (;; round_number++) {
    double due_ms = begun_ms + round_number * frame_ms / rounds;
    if (due_ms >= end_ms) return;
    struct timespec due = {.tv_sec = due_ms / 1e3};
    due.tv_nsec = (due_ms - due.tv_sec * 1e3) * 1e6;
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR);
    if (counting) {
      double late = (now_of(CLOCK_MONOTONIC) - due_ms) * 10;
      figures->rounds_late[late < 0 ? 0 : late < lateness_steps ? (int)late : lateness_steps - 1]++;
    }
    int round = round_number % rounds, waiting = 0;
    for (int n = round; n < count; n += rounds) {
      struct phone *phone = &phones[n];
      uint8_t *packet = said_packets[waiting];
      int octets = speak(phone, n + 1, packet, payloads, ends, payload_count, type, clock);
      if (counting) figures->sent++;
      if (phone->descriptor >= 0) {
        send(phone->descriptor, packet, octets, MSG_DONTWAIT);
        listen_to(phone, clock, counting, figures);
        continue;
      }
      said[waiting].msg_hdr.msg_name = &phone->to;
      said_vectors[waiting].iov_len = octets;
      if (++waiting < together) continue;
      sendmmsg(shared[round], said, waiting, MSG_DONTWAIT);
      waiting = 0;
    }
    if (waiting > 0) sendmmsg(shared[round], said, waiting, MSG_DONTWAIT);
  }
}
