/* The socket layer where many packets are read, or sent, in one call.
 *
 * What waits in the sockets is read into one room, and what is to go out of them is gathered and sent in one loop: the kernel's way in, the code of the media plane
 * and the kernel's way out then each run for dozens of packets before they make way for one another in the processor's caches. Where the kernel has a ring for us
 * (ring.h), they leave in one system call.
 *
 * All that is known of a socket here is its place, a line of memory that TypeScript reads and writes too (native.ts). Nothing is kept outside the memory that the
 * caller gives, so that threads do not meet here, and nothing blocks.
 *
 * See epoll(7), recvmmsg(2), io_uring(7), udp(7). */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "arrival.h"
#include "ring.h"

enum {
  /* Packets after which a reading ends, and of one socket before others have their turn. */
  together = 64,
  burst = 8,
  room = together + burst,
  control_octets = 64,
  /* Sockets of a layer, a power of two: more than a thread can carry. */
  most_places = 16384,
  /* Sockets that the kernel tells of in one call. */
  most_events = 512
};

/* A socket: where it sends to, and where its last packet came from (of IPv4 the first word). */
#define PLACE_FIELDS "descriptor watched queued full port from from1 from2 from3 to "
struct place {
  int32_t descriptor;
  /* Whether the kernel tells of it, and whether it stands in the queue of those in which something may wait. */
  int32_t watched, queued;
  /* Whether its last turn has read a whole burst. */
  int32_t full;
  uint32_t port;
  uint32_t from[4];
  union {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
  } to;
} __attribute__((aligned(64)));

/* A packet that has come, at its times in milliseconds: by the caller's clock and since 1970. `moved` when it is from elsewhere than the one before. */
#define ARRIVAL_FIELDS "arrived arrivedUpper wall wallUpper place length moved port from "
struct arrival {
  double arrived, wall;
  int32_t place, length, moved;
  uint32_t port, from[4];
};

/* A packet that is to leave. The length of a line more than its octets, so that the first lines of all do not meet in the processor's cache. */
#define DEPARTURE_FIELDS "place length payload "
struct departure {
  int32_t place, length;
  /* Told to the sender when the packet did not leave. */
  int32_t payload;
  uint8_t octets[largest_packet];
} __attribute__((aligned(64)));

#define LAYER_FIELDS "now nowUpper wallOffset wallOffsetUpper set queueFirst queueLength turned "
struct layer {
  /* The caller's clock, and how far the wall clock is ahead of it, in milliseconds. */
  double now, wall_offset;
  int32_t set, queue_first, queue_length, turned;
  struct ring ring;
  struct arrival arrivals[room];
  /* Departures that the kernel would not take. */
  int32_t refused[gathered];
  /* Sockets whose turn it is. */
  int32_t turns[together];
  struct mmsghdr messages[room];
  struct iovec vectors[room];
  struct sockaddr_in6 names[room];
  uint8_t controls[room][control_octets];
  uint8_t packets[room][largest_packet + 64];
  struct departure departures[gathered];
  struct epoll_event events[most_events];
  int32_t queue[most_places];
  struct place places[most_places];
} __attribute__((aligned(64)));

/* What the words of a place, an arrival, a departure and the layer mean. */
const char *udp_fields(void) { return PLACE_FIELDS "/ " ARRIVAL_FIELDS "/ " DEPARTURE_FIELDS "/ " LAYER_FIELDS; }

/* Octets and numbers of the parts, and where they begin. */
int udp_size(int what) {
  switch (what) {
  case 0: return sizeof(struct layer);
  case 1: return offsetof(struct layer, arrivals);
  case 2: return sizeof(struct arrival);
  case 3: return offsetof(struct layer, refused);
  case 4: return offsetof(struct layer, packets);
  case 5: return sizeof ((struct layer *)0)->packets[0];
  case 6: return offsetof(struct layer, departures);
  case 7: return sizeof(struct departure);
  case 8: return offsetof(struct departure, octets);
  case 9: return offsetof(struct layer, places);
  case 10: return sizeof(struct place);
  case 11: return room;
  case 12: return gathered;
  case 13: return burst;
  case 14: return most_places;
  case 15: return offsetof(struct layer, turns);
  case 16: return together;
  case 17: return offsetof(struct layer, ring);
  default: return -1;
  }
}

static void make_room(struct layer *layer, int n) {
  layer->messages[n].msg_hdr.msg_namelen = sizeof layer->names[n];
  layer->messages[n].msg_hdr.msg_controllen = control_octets;
}

/* Prepares memory that is all zeros, at an address that can be divided by 64, for the sockets of an epoll set. Returns whether packets leave by a ring.
 * @param with_ring whether they may */
int udp_open(struct layer *layer, int set, int with_ring) {
  layer->set = set;
  for (int n = 0; n < room; n++) {
    layer->vectors[n].iov_base = layer->packets[n];
    layer->vectors[n].iov_len = largest_packet;
    struct msghdr *message = &layer->messages[n].msg_hdr;
    message->msg_iov = &layer->vectors[n];
    message->msg_iovlen = 1;
    message->msg_name = &layer->names[n];
    message->msg_control = layer->controls[n];
    make_room(layer, n);
  }
  layer->ring.descriptor = -1;
  if (with_ring) ring_open(&layer->ring);
  return layer->ring.descriptor >= 0;
}

/* Gives back what is not in the memory of the layer. */
void udp_close(struct layer *layer) { ring_close(&layer->ring); }

static void enqueue(struct layer *layer, int at) {
  layer->places[at].queued = 1;
  layer->queue[(layer->queue_first + layer->queue_length++) & (most_places - 1)] = at;
}

/* Puts the sockets that have got something into the queue. */
static void listen_all(struct layer *layer) {
  for (int count = most_events; count == most_events;) {
    count = epoll_wait(layer->set, layer->events, most_events, 0);
    for (int n = 0; n < count; n++)
      if (!layer->places[layer->events[n].data.u32].queued) enqueue(layer, layer->events[n].data.u32);
  }
}

/* Notes where a packet came from. */
static void note_source(struct place *place, const struct sockaddr_in6 *name, struct arrival *arrival) {
  uint32_t from[4] = {0};
  if (name->sin6_family == AF_INET) from[0] = ((const struct sockaddr_in *)name)->sin_addr.s_addr;
  else memcpy(from, &name->sin6_addr, sizeof from);
  /* The port stands in the same place in both. */
  uint32_t port = ntohs(name->sin6_port);
  arrival->moved = port != place->port || memcmp(from, place->from, sizeof from) != 0;
  if (!arrival->moved) return;
  arrival->port = place->port = port;
  memcpy(arrival->from, from, sizeof from);
  memcpy(place->from, from, sizeof from);
}

static void note_time(const struct layer *layer, struct msghdr *message, struct arrival *arrival) {
  arrival->arrived = layer->now;
  arrival->wall = layer->now + layer->wall_offset;
  if (!kernel_time(message, &arrival->wall)) return;
  double arrived = arrival->wall - layer->wall_offset;
  if (arrived < layer->now - longest_wait) arrival->arrived = layer->now - longest_wait;
  else if (arrived < layer->now) arrival->arrived = arrived;
}

/* Reads what waits in a socket, behind the packets that have come before it. Returns how many came: where it is a whole burst there may be more. */
static int receive(struct layer *layer, int at, int before) {
  struct place *place = &layer->places[at];
  int count = recvmmsg(place->descriptor, &layer->messages[before], burst, MSG_DONTWAIT, NULL);
  for (int n = before; n < before + count; n++) {
    struct arrival *arrival = &layer->arrivals[n];
    arrival->place = at;
    arrival->length = layer->messages[n].msg_len;
    note_source(place, &layer->names[n], arrival);
    note_time(layer, &layer->messages[n].msg_hdr, arrival);
    make_room(layer, n);
  }
  return count < 0 ? 0 : count;
}

/* Reads the sockets whose turn it is, from one of them on. Returns how many packets came; `turned` says how many sockets have had their turn. */
int udp_turn(struct layer *layer, int from, int sockets) {
  int count = 0, n = from;
  for (; n < sockets && count < together; n++) {
    int came = receive(layer, layer->turns[n], count);
    layer->places[layer->turns[n]].full = came == burst;
    count += came;
  }
  layer->turned = n;
  return count;
}

/* Reads sockets in which something waits until so many packets have come as are read together. Returns how many came; `queueLength` says whether there may be more.
 * @param listening whether the kernel is asked what has come */
int udp_read(struct layer *layer, int listening) {
  if (listening) listen_all(layer);
  int count = 0;
  while (count < together && layer->queue_length > 0) {
    int at = layer->queue[layer->queue_first];
    struct place *place = &layer->places[at];
    layer->queue_first = (layer->queue_first + 1) & (most_places - 1);
    layer->queue_length--;
    place->queued = 0;
    if (place->descriptor < 0 || !place->watched) continue;
    int came = receive(layer, at, count);
    if (came == burst) enqueue(layer, at);
    count += came;
  }
  return count;
}

static socklen_t to_length(const struct place *place) {
  return place->to.any.sa_family == AF_INET ? sizeof place->to.v4 : sizeof place->to.v6;
}

/* Sends what was gathered. Returns how many packets the kernel would not take: `refused` says which. */
int udp_send(struct layer *layer, int count) {
  int refused = 0, n = 0;
  if (layer->ring.descriptor >= 0) {
    for (; n < count; n++) {
      const struct departure *leaving = &layer->departures[n];
      const struct place *place = &layer->places[leaving->place];
      ring_put(&layer->ring, n, place->descriptor, leaving->octets, leaving->length, &place->to.any, to_length(place));
    }
    n = ring_send(&layer->ring, count, layer->refused, &refused);
  }
  for (; n < count; n++) {
    const struct departure *leaving = &layer->departures[n];
    const struct place *place = &layer->places[leaving->place];
    if (sendto(place->descriptor, leaving->octets, leaving->length, MSG_DONTWAIT, &place->to.any, to_length(place)) != leaving->length)
      layer->refused[refused++] = n;
  }
  return refused;
}
