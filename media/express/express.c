/* The express lane of a media thread: calls of G.711 in which nothing happens but sound.
 *
 * For each conference of the lane, one after the other: what waits in the sockets of its legs is read, each leg's next frame is decoded,
 * the loudest voices are summed, and each leg is sent what it hears. All that this needs of a leg lies in one record, so that the next
 * one can be fetched while the kernel is at work. Of a leg that is calm the packets tell all; where sound is made up, stretched, or has
 * paused, the leg is rough and what was heard and what waits is kept as samples until three packets in a row were played as they came.
 * A packet that is not the next one of the stream that is known is not treated here: the leg leaves the lane, and the code in TypeScript
 * that knows all of it goes on from the record. What is done here is done as there, bit by bit: express.test.ts holds both side by side.
 *
 * The fields of a record are doubles, as the numbers of JavaScript are; their order is told by express_fields().
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "../udp/arrival.h"
#include "../udp/ring.h"

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target_clones("avx2", "default")))
#else
#define WIDE
#endif

enum {
  frame = 160,
  header = 12,
  packet = header + frame,
  slots = 32,
  slot_octets = 192,
  bins = 100,
  /* With the three played last and the next burst they fit into the slots. */
  most_held = 25,
  kept_frames = 3,
  burst = 4,
  /* Packets read of a leg in a frame, beside those of the time since the last reading. */
  most_at_once = 64,
  most_members = 512,
  unity = 2048,
  largest_gain = 16 * unity - 1,
  knee = 24576,
  full_scale = 32767,
  onset = 3,
  hangover = 30,
  dominance = 15,
  gain_memory = 50,
  least_headroom = unity / 8,
  headroom_hold = 50,
  headroom_rise = 4,
  /* Samples that are kept of what was heard, and of what was played and waits: concealment.ts, time-stretch.ts. */
  heard_samples = 400,
  past_samples = 120,
  waiting_samples = past_samples + 640,
  cycle_samples = 360,
  shortest_lag = 40,
  longest_lag = 120,
  compared = 160,
  step_samples = 80,
  shortest_shift = 20,
  longest_shift = 100,
  fade_samples = 40,
  shift_needs = longest_shift + fade_samples,
  rest_ms = 80,
  pause_after_ms = 200
};

/* Modes of a leg: not in the lane, carried by it, or only mixed by it. */
enum { absent, carried, attended };

/* What a call ends with: all is done, a leg has left, legs that are only mixed give their frames, and get what they hear. */
enum { done, left_lane, pull, deliver };

#define LEG_FIELDS(X) \
  X(mode) X(rough) X(next) X(descriptor) X(address) X(port) X(law) X(payloadType) \
  X(peerSsrc) X(highest) X(cycles) X(received) X(transit) X(jitter16) X(differences) X(differencesSum) \
  X(differencesSquares) X(differenceLeast) X(differenceMost) X(calm) X(receivedPackets) X(receivedBytes) X(lastHeard) X(held) \
  X(newest) X(newestExtended) X(minTarget) X(maxTarget) X(weight) X(highestBin) X(fastest) X(fastestBefore) \
  X(windowEnds) X(targetAt) X(lastArrival) X(lastTransit) X(target) X(lastPlayed) X(nextTimestamp) X(left) \
  X(slack) X(delay) X(restUntil) X(speaks) X(streaming) X(streamed) X(sounding) X(power) \
  X(selected) X(score) X(activity) X(speaking) X(turning) X(gainFrames) X(gainPower) X(gainDecibels) \
  X(heardDb) X(gain) X(hearsGain) X(applied) X(part) X(sequence) X(timestamp) X(ssrc) \
  X(marker) X(sentPackets) X(sentBytes) X(sentDropped) X(noisy) X(skipped) X(passed) \
  X(playing) X(hasPlayed) X(concealedInRow) X(concealedMs) X(credit) X(unsure) X(clean) X(concealed) X(shortened) X(lengthened) \
  X(audible) X(lost) X(lag) X(cycleLength) X(cycleAt) X(jump) X(jumpLeft) X(unheard)

#define CONFERENCE_FIELDS(X) X(first) X(slow) X(places) X(autoGain) X(dominant) X(challenger) X(challengedFor) X(headroom) X(headroomBefore) X(calmFrames)

/* Given by the caller before the first call, and then what the last call has to say. */
#define LANE_FIELDS(X) \
  X(conferences) X(gate) X(release) X(wallOffset) X(leftOut) X(atConference) X(leg) X(skips) X(handed) X(turned) X(crowned)

#define DOUBLE(name) double name;
#define NAME(name) #name " "

struct leg {
  LEG_FIELDS(DOUBLE)
  double arrivals[slots];
  double shares[bins];
  uint8_t packets[slots][slot_octets];
  /* Of a rough leg: what was heard last, what stood before the gap, the periods that are repeated in it, what was played and what waits. */
  int16_t heard[heard_samples];
  int16_t before[heard_samples];
  int16_t waiting[waiting_samples];
  float cycle[cycle_samples];
} __attribute__((aligned(64)));

struct conference {
  CONFERENCE_FIELDS(DOUBLE)
} __attribute__((aligned(64)));

/* A packet that was read and is somebody else's to judge. */
struct handed {
  double length, address, port, arrived, wall;
  uint8_t octets[largest_packet];
};

/* A packet that is to leave. */
struct departure {
  struct leg *leg;
  struct sockaddr_in to;
  uint8_t octets[packet];
} __attribute__((aligned(64)));

struct lane {
  LANE_FIELDS(DOUBLE)
  struct handed given[burst];
  /* Tables of both laws: octets to samples, samples to octets by their 14 and 13 highest bits. */
  int16_t expand[2][256];
  uint8_t compress_mu[16384];
  uint8_t compress_a[8192];
  int32_t phase, member, count;
  /* When the sockets were read last. */
  double read_at;
  int32_t sum[frame];
  int16_t heard[frame];
  struct leg *members[most_members];
  /* A member's sound, and afterwards what a member that is only mixed gets, as payload behind room for a header. */
  int16_t frames[most_members][frame + 16];
  struct mmsghdr messages[burst];
  struct iovec vectors[burst][2];
  struct sockaddr_in names[burst];
  uint8_t controls[burst][64];
  /* Of the thread's socket layer. */
  struct ring *ring;
  int32_t departing, refused[gathered];
  struct departure departures[gathered];
} __attribute__((aligned(64)));

static const char *const fields = LEG_FIELDS(NAME) "/ " CONFERENCE_FIELDS(NAME) "/ " LANE_FIELDS(NAME);

const char *express_fields(void) { return fields; }

/* Octets of a lane, a conference and a leg, and where the parts of them begin that are no single fields. */
int express_size(int what) {
  switch (what) {
  case 0: return sizeof(struct lane);
  case 1: return sizeof(struct conference);
  case 2: return sizeof(struct leg);
  case 3: return offsetof(struct lane, given);
  case 4: return sizeof(struct handed);
  case 5: return offsetof(struct handed, octets);
  case 6: return offsetof(struct lane, expand);
  case 7: return offsetof(struct lane, compress_mu);
  case 8: return offsetof(struct lane, compress_a);
  case 9: return offsetof(struct lane, frames);
  case 10: return sizeof(((struct lane *)0)->frames[0]);
  case 11: return offsetof(struct leg, arrivals);
  case 12: return offsetof(struct leg, shares);
  case 13: return offsetof(struct leg, packets);
  case 14: return offsetof(struct leg, heard);
  case 15: return offsetof(struct leg, before);
  case 16: return offsetof(struct leg, waiting);
  case 17: return offsetof(struct leg, cycle);
  default: return -1;
  }
}

/* The memory is one piece: lane, conferences, legs, the order in which conferences are mixed, and who began or ended to speak. */
struct parts {
  struct conference *conferences;
  struct leg *legs;
  int32_t *order, *turned, *crowned;
};

static struct parts parts_of(struct lane *lane, int capacity) {
  struct parts parts;
  parts.conferences = (struct conference *)(lane + 1);
  parts.legs = (struct leg *)(parts.conferences + capacity);
  parts.order = (int32_t *)(parts.legs + capacity);
  parts.turned = parts.order + capacity;
  parts.crowned = parts.turned + capacity;
  return parts;
}

/* Prepares memory that is all zeros, at an address that can be divided by 64.
 * @param ring by which packets leave, if it is one that sends */
void express_open(struct lane *lane, double octets, struct ring *ring) {
  lane->ring = ring;
  uintptr_t from = ((uintptr_t)lane + 0x1fffff) & ~(uintptr_t)0x1fffff, to = ((uintptr_t)lane + (size_t)octets) & ~(uintptr_t)0x1fffff;
  if (to > from) madvise((void *)from, to - from, MADV_HUGEPAGE);
  for (int n = 0; n < burst; n++) {
    lane->vectors[n][0].iov_len = slot_octets;
    lane->vectors[n][1].iov_base = lane->given[n].octets + slot_octets;
    lane->vectors[n][1].iov_len = largest_packet - slot_octets;
    lane->messages[n].msg_hdr.msg_iov = lane->vectors[n];
    lane->messages[n].msg_hdr.msg_iovlen = 2;
    lane->messages[n].msg_hdr.msg_name = &lane->names[n];
    lane->messages[n].msg_hdr.msg_control = lane->controls[n];
  }
}

static inline uint32_t word(const uint8_t *at) { return (uint32_t)at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]; }
static inline double least(double a, double b) { return a < b ? a : b; }
static inline double most(double a, double b) { return a > b ? a : b; }
static inline int32_t distance(double a, double b) { return (int32_t)((uint32_t)(int64_t)a - (uint32_t)(int64_t)b); }
static inline double base_of(const struct leg *leg) { return least(leg->fastest, leg->fastestBefore); }

/* Brings what a leg needs near the processor, while something else is done. */
static inline void fetch(const struct leg *leg) {
  for (size_t at = 0; at < offsetof(struct leg, playing); at += 64) __builtin_prefetch((const char *)leg + at, 1);
  __builtin_prefetch(leg->shares, 1);
}

static inline void fetch_packets(const struct leg *leg) {
  const uint8_t *room = leg->packets[((int)leg->highest + 1) % slots];
  const uint8_t *due = leg->packets[((int)leg->lastPlayed + 1) % slots];
  __builtin_prefetch(&leg->arrivals[((int)leg->highest + 1) % slots], 1);
  for (int at = 0; at < slot_octets; at += 64) {
    __builtin_prefetch(room + at, 1);
    __builtin_prefetch(due + at, 0);
  }
}

/* ---- delay estimate: delay-estimate.ts ---- */

static void rebase(struct leg *leg, double slower) {
  if (!(slower > 0) || isinf(slower)) return;
  leg->target = most(leg->minTarget, leg->target - slower);
  double *shares = leg->shares;
  int moved = (int)least(bins - 1, floor(slower / 5 + 0.5));
  for (int i = 1; i <= moved; i++) shares[0] += shares[i];
  for (int i = 1; i < bins; i++) shares[i] = i + moved < bins ? shares[i + moved] : 0;
}

static void aim(struct leg *leg, double now) {
  double *shares = leg->shares;
  int highest = (int)leg->highestBin;
  while (highest > 0 && shares[highest] < 1e-6 * leg->weight) shares[highest--] = 0;
  leg->highestBin = highest;
  double most_late = 0.02 * leg->weight, late = 0;
  int bin = highest + 1;
  while (bin > 1 && late + shares[bin - 1] <= most_late) late += shares[--bin];
  double wanted = bin <= 1 ? 0 : bin * 5;
  double bounded = most(leg->minTarget, least(leg->maxTarget, wanted));
  double fallen = leg->target - (most(0, now - leg->targetAt) * 10) / 1000;
  leg->targetAt = now;
  leg->target = most(bounded, fallen);
}

static void estimate(struct leg *leg, double transit, double arrival) {
  if (arrival >= leg->windowEnds) {
    double before = base_of(leg);
    leg->fastestBefore = leg->fastest;
    leg->fastest = transit;
    leg->windowEnds = arrival + 5000;
    rebase(leg, base_of(leg) - before);
  } else if (transit < leg->fastest) leg->fastest = transit;
  int together = arrival - leg->lastArrival < 5 && transit < leg->lastTransit;
  leg->lastArrival = arrival;
  leg->lastTransit = transit;
  if (together) return;
  leg->weight /= 1 - 1.0 / 64;
  if (leg->weight > 1e100) {
    for (int i = 0; i < bins; i++) leg->shares[i] /= leg->weight;
    leg->weight = 1;
  }
  int bin = (int)least(bins - 1, floor((transit - base_of(leg)) / 5));
  leg->shares[bin] += 1.0 / 64 * leg->weight;
  if (bin > leg->highestBin) leg->highestBin = bin;
  aim(leg, arrival);
}

/* ---- packets in: leg.ts, rtp/source.ts, jitter/jitter-buffer.ts ---- */

static void make_room(const struct lane *lane, struct leg *leg);

/* Takes the packet in its slot. Returns 0 when it is not the next one of the stream, as it is known. */
static int take_packet(const struct lane *lane, struct leg *leg, const uint8_t *octets, unsigned length, const struct sockaddr_in *from, double arrival) {
  if (length != packet || octets[0] != 0x80 || (octets[1] & 0x7f) != (int)leg->payloadType) return 0;
  if (ntohl(from->sin_addr.s_addr) != (uint32_t)leg->address || ntohs(from->sin_port) != (int)leg->port) return 0;
  int sequence = octets[2] << 8 | octets[3];
  uint32_t timestamp = word(octets + 4);
  int held = (int)leg->held;
  if (sequence != (((int)leg->highest + 1) & 0xffff) || word(octets + 8) != (uint32_t)leg->peerSsrc) return 0;
  if (!leg->rough || leg->playing) {
    if (timestamp != (uint32_t)((uint32_t)leg->nextTimestamp + frame * held)) return 0;
  } else if (timestamp != (uint32_t)((uint32_t)leg->newest + frame)) return 0;
  else if (leg->hasPlayed && distance(timestamp, leg->nextTimestamp) <= -frame) return 0;
  double extended = leg->newestExtended + distance(timestamp, leg->newest);
  double delay = arrival - extended / 8;
  if (fabs(delay - base_of(leg)) > 3000) return 0;

  while (leg->held >= most_held) make_room(lane, leg);
  if (sequence < leg->highest) leg->cycles += 65536;
  leg->highest = sequence;
  leg->received++;
  int32_t transit = (int32_t)((uint32_t)(int64_t)floor((arrival * 8000) / 1000 + 0.5) - timestamp);
  int64_t change = distance(transit, leg->transit);
  if (change < 0) change = -change;
  leg->jitter16 += change - floor((leg->jitter16 + 8) / 16);
  leg->differenceLeast = leg->differences == 0 ? change : least(leg->differenceLeast, change);
  leg->differenceMost = most(leg->differenceMost, change);
  leg->differences++;
  leg->differencesSum += change;
  leg->differencesSquares += (double)change * change;
  leg->transit = transit;
  leg->receivedPackets++;
  leg->receivedBytes += frame;
  leg->calm++;
  leg->lastHeard = arrival;
  leg->newest = timestamp;
  leg->newestExtended = extended;
  estimate(leg, delay, arrival);
  leg->arrivals[sequence % slots] = arrival;
  leg->held++;
  return 1;
}

/* Reads what waits in the socket of a leg, up to a bound: who floods it keeps nobody waiting. Returns 0 when packets came that are not the lane's to judge: they are
 * handed over.
 * @param since milliseconds since the last reading */
static int receive(struct lane *lane, struct leg *leg, double now, double since) {
  struct mmsghdr *messages = lane->messages;
  /* Stamped before the wall clock was set forward: media/udp/native.ts tells why. A thread that stood still itself has let packets wait for longer. */
  double earliest = now - longest_wait - since;
  for (int room = most_at_once + (int)(since / 20); room > 0; room -= burst) {
    for (int n = 0; n < burst; n++) {
      lane->vectors[n][0].iov_base = leg->packets[((int)leg->highest + 1 + n) % slots];
      messages[n].msg_hdr.msg_namelen = sizeof lane->names[n];
      messages[n].msg_hdr.msg_controllen = sizeof lane->controls[n];
    }
    int count = recvmmsg((int)leg->descriptor, messages, burst, MSG_DONTWAIT, NULL);
    int calm = 1;
    for (int n = 0; n < count; n++) {
      uint8_t *octets = lane->vectors[n][0].iov_base;
      double arrival = now, wall = now + lane->wallOffset;
      if (kernel_time(&messages[n].msg_hdr, &wall)) {
        /* A packet can have come while others were treated, but not later than that. */
        arrival = least(now + 20, wall - lane->wallOffset);
        if (arrival < earliest) arrival = earliest;
      }
      calm = calm && take_packet(lane, leg, octets, messages[n].msg_len, &lane->names[n], arrival);
      if (calm) continue;
      struct handed *given = &lane->given[(int)lane->handed++];
      unsigned length = messages[n].msg_len;
      /* The tail of a long packet lies where it was read: this one is never before the one that it was read with. */
      if (length > slot_octets && given != &lane->given[n])
        memmove(given->octets + slot_octets, lane->given[n].octets + slot_octets, length - slot_octets);
      memcpy(given->octets, octets, length < slot_octets ? length : slot_octets);
      given->length = length;
      given->address = ntohl(lane->names[n].sin_addr.s_addr);
      given->port = ntohs(lane->names[n].sin_port);
      given->arrived = arrival;
      given->wall = wall;
    }
    if (!calm || count < burst) return calm;
  }
  return 1;
}

/* When a sample would be played that has no delay over the fastest packets. */
static inline double due_at(const struct leg *leg, double timestamp) {
  return (leg->newestExtended + distance(timestamp, leg->newest)) / 8 + base_of(leg);
}

static inline double smooth(double before, double now) { return isnan(before) ? now : before + 0.25 * (now - before); }

/* JavaScript rounds halves up. */
static inline double rounded(double value) { return floor(value + 0.5); }

/* ---- made up sound: codec/concealment.ts ---- */

static void remember(struct leg *leg, const int16_t *samples) {
  memmove(leg->heard, leg->heard + frame, (heard_samples - frame) * sizeof *samples);
  memcpy(leg->heard + heard_samples - frame, samples, frame * sizeof *samples);
}

/* Sums of products of samples are whole numbers below 2^53: their order does not matter. */
WIDE static int64_t product_of(const int16_t *a, const int16_t *b, int count) {
  int64_t sum = 0;
  for (int i = 0; i < count; i++) sum += a[i] * b[i];
  return sum;
}

static int find_lag(const int16_t *sound) {
  const int16_t *window = sound + heard_samples - compared;
  int best = shortest_lag;
  double best_score = -INFINITY;
  for (int lag = shortest_lag; lag <= longest_lag; lag++) {
    const int16_t *earlier = window - lag;
    double score = product_of(window, earlier, compared) / sqrt(1 + product_of(earlier, earlier, compared));
    if (score > best_score) {
      best_score = score;
      best = lag;
    }
  }
  return best;
}

/* The last `periods` periods, the end led into the start. */
static void fill_cycle(struct leg *leg, int periods) {
  int lag = (int)leg->lag, length = periods * lag, from = heard_samples - length, blend = lag >> 2 < from ? lag >> 2 : from;
  for (int i = 0; i < length - blend; i++) leg->cycle[i] = leg->before[from + i];
  for (int tail = 0; tail < blend; tail++) {
    double share = (tail + 1) / (double)(blend + 1);
    int i = length - blend + tail;
    leg->cycle[i] = leg->before[from + i] * (1 - share) + leg->before[from - blend + tail] * share;
  }
}

static void begin_gap(struct leg *leg) {
  memcpy(leg->before, leg->heard, sizeof leg->before);
  int lag = find_lag(leg->before);
  leg->lag = lag;
  fill_cycle(leg, 1);
  leg->cycleLength = lag;
  leg->cycleAt = 0;
  leg->jump = leg->before[heard_samples - 1] - leg->before[heard_samples - 1 - lag];
  leg->jumpLeft = lag >> 2;
}

/* One period more, from the same place within a period. */
static void lengthen_cycle(struct leg *leg) {
  int lag = (int)leg->lag, periods = (int)leg->cycleLength / lag, at = (int)leg->cycleAt;
  if (periods >= 3) return;
  double before = leg->cycle[at];
  fill_cycle(leg, periods + 1);
  leg->cycleLength += lag;
  leg->jump = before - leg->cycle[at];
  leg->jumpLeft = lag >> 2;
}

static double gap_gain(const struct leg *leg) {
  double steps = leg->lost / step_samples - 1;
  return steps <= 0 ? 1 : most(0, 1 - 0.2 * steps);
}

static double make_sample(struct leg *leg) {
  if (leg->lost > 0 && (int64_t)leg->lost % step_samples == 0) lengthen_cycle(leg);
  int at = (int)leg->cycleAt;
  double value = leg->cycle[at];
  leg->cycleAt = at + 1 == (int)leg->cycleLength ? 0 : at + 1;
  if (leg->jumpLeft > 0) value += (leg->jump * leg->jumpLeft--) / (((int)leg->lag >> 2) + 1);
  double gain = gap_gain(leg);
  leg->lost++;
  return most(-32768, least(32767, value * gain));
}

static void conceal(struct leg *leg, int16_t *out) {
  if (leg->lost == 0) begin_gap(leg);
  for (int i = 0; i < frame; i++) out[i] = rounded(make_sample(leg));
  remember(leg, out);
}

/* Sound after a gap is faded in. */
static void hear(struct leg *leg, int16_t *samples) {
  if (leg->lost > 0) {
    int fade = rounded(least(2.5 + 1.5 * (leg->lost / step_samples), 6) * 8);
    for (int i = 0; i < fade; i++) {
      double share = (i + 1) / (double)(fade + 1);
      samples[i] = rounded(make_sample(leg) * (1 - share) + samples[i] * share);
    }
    leg->lost = 0;
  }
  remember(leg, samples);
}

/* ---- what waits: jitter/time-stretch.ts ---- */

static void push_waiting(struct leg *leg, const int16_t *samples) {
  memcpy(leg->waiting + past_samples + (int)leg->left, samples, frame * sizeof *samples);
  leg->left += frame;
}

/* Moves up to a frame of what waits to `out`, where there is one. Returns how many samples. */
static int shift_waiting(struct leg *leg, int16_t *out) {
  int length = (int)leg->left, count = length < frame ? length : frame;
  if (out != NULL) memcpy(out, leg->waiting + past_samples, count * sizeof *out);
  memmove(leg->waiting, leg->waiting + count, (past_samples + length - count) * sizeof *out);
  leg->left = length - count;
  return count;
}

static double likeness(const int16_t *start, int shift) {
  double product = product_of(start, start + shift, fade_samples);
  double power = 1 + product_of(start, start, fade_samples), other = 1 + product_of(start + shift, start + shift, fade_samples);
  return product / sqrt(power * other);
}

/* The longest shift where it is soft, else the one at which the sound is most like itself; 0 where that would be heard. */
static int choose_shift(const int16_t *start, int direction, int force, int *soft) {
  const int16_t *from = start - (direction < 0 ? longest_shift : 0);
  *soft = product_of(from, from, shift_needs) < 100 * 100 * shift_needs;
  if (*soft) return longest_shift;
  int best = shortest_shift;
  double best_score = -INFINITY;
  for (int shift = shortest_shift; shift <= longest_shift; shift++) {
    double score = likeness(start, shift * direction);
    if (score > best_score) {
      best_score = score;
      best = shift;
    }
  }
  return force || best_score >= 0.75 ? best : 0;
}

static inline int16_t between(double share, int16_t from, int16_t to) { return rounded(from * (1 - share) + to * share); }

/* Leaves out one period. Returns samples less. */
static int shorten(struct leg *leg, int force, int *soft) {
  int length = (int)leg->left;
  int16_t *start = leg->waiting + past_samples;
  if (length < shift_needs) return 0;
  int shift = choose_shift(start, 1, force, soft);
  if (shift == 0) return 0;
  for (int i = 0; i < fade_samples; i++) start[i] = between((i + 1) / (double)(fade_samples + 1), start[i], start[shift + i]);
  memmove(start + fade_samples, start + shift + fade_samples, (length - shift - fade_samples) * sizeof *start);
  leg->left -= shift;
  return shift;
}

/* Says one period twice. Returns samples more. */
static int lengthen(struct leg *leg, int force, int *soft) {
  int length = (int)leg->left;
  int16_t *start = leg->waiting + past_samples;
  if (length < fade_samples) return 0;
  int shift = choose_shift(start, -1, force, soft);
  if (shift == 0) return 0;
  memmove(start + fade_samples + shift, start + fade_samples, (length - fade_samples) * sizeof *start);
  for (int i = fade_samples + shift - 1; i >= fade_samples; i--) start[i] = start[i - shift];
  for (int i = fade_samples - 1; i >= 0; i--) start[i] = between((i + 1) / (double)(fade_samples + 1), start[i], start[i - shift]);
  leg->left += shift;
  return shift;
}

/* ---- frames out: jitter/jitter-buffer.ts ---- */

/* Writes as samples what a calm leg has as packets. */
static void roughen(const struct lane *lane, struct leg *leg) {
  int16_t played[kept_frames * frame];
  const int16_t *expand = lane->expand[(int)leg->law];
  for (int n = 0; n < kept_frames; n++) {
    const uint8_t *payload = leg->packets[((int)leg->lastPlayed - kept_frames + 1 + n) & (slots - 1)] + header;
    for (int i = 0; i < frame; i++) played[n * frame + i] = expand[payload[i]];
  }
  memcpy(leg->heard, played + kept_frames * frame - heard_samples, sizeof leg->heard);
  int kept = past_samples + (int)leg->left;
  memcpy(leg->waiting, played + kept_frames * frame - kept, kept * sizeof *played);
  leg->rough = 1;
  leg->playing = leg->hasPlayed = 1;
  leg->concealedInRow = leg->concealedMs = leg->credit = leg->unsure = leg->clean = leg->lost = 0;
}

/* Nothing is here: says what may follow, and holds the time. Returns 0 when the stream has paused. */
static int bridge(struct leg *leg) {
  if (leg->concealedMs >= pause_after_ms) return 0;
  int16_t made[frame];
  leg->concealedMs += 20;
  leg->concealedInRow++;
  leg->clean = 0;
  conceal(leg, made);
  leg->unsure++;
  leg->credit += frame;
  push_waiting(leg, made);
  return 1;
}

/* Decodes the packet that is due, or makes up what is missing. Returns 0 when the stream has paused. */
static int decode_next(const struct lane *lane, struct leg *leg) {
  if (leg->held == 0) return bridge(leg);
  int16_t samples[frame];
  const int16_t *expand = lane->expand[(int)leg->law];
  const uint8_t *payload = leg->packets[((int)leg->lastPlayed + 1) % slots] + header;
  for (int i = 0; i < frame; i++) samples[i] = expand[payload[i]];
  leg->concealed += leg->unsure;
  leg->unsure = leg->credit = 0;
  leg->clean = leg->lost > 0 ? 0 : leg->clean + 1;
  leg->concealedInRow = leg->concealedMs = 0;
  leg->held--;
  leg->lastPlayed = ((int)leg->lastPlayed + 1) & 0xffff;
  leg->nextTimestamp = (uint32_t)((uint32_t)leg->nextTimestamp + frame);
  hear(leg, samples);
  push_waiting(leg, samples);
  return 1;
}

/* Silence takes the place of sound. */
static int pause_sound(struct leg *leg, int16_t *out, int from) {
  memset(out + from, 0, (frame - from) * sizeof *out);
  leg->lost = 0;
  leg->clean = 0;
  memmove(leg->heard, leg->heard + frame - from, (heard_samples - frame + from) * sizeof *out);
  memset(leg->heard + heard_samples - frame + from, 0, (frame - from) * sizeof *out);
  return 0;
}

static int stop(struct leg *leg, int16_t *out) {
  leg->playing = 0;
  int left = shift_waiting(leg, out);
  pause_sound(leg, out, left);
  return left > 0;
}

static int begin(struct leg *leg, double now) {
  if (leg->held == 0) return 0;
  int held = (int)leg->held, before = ((int)leg->highest - held) & 0xffff;
  double first = (uint32_t)((uint32_t)leg->newest - frame * (held - 1));
  if (now < least(due_at(leg, first), leg->arrivals[(before + 1) % slots]) + leg->target) return 0;
  if (before != (int)leg->lastPlayed) leg->concealed += leg->unsure;
  leg->unsure = 0;
  leg->playing = leg->hasPlayed = 1;
  leg->nextTimestamp = first;
  leg->lastPlayed = before;
  leg->left = 0;
  leg->concealedInRow = leg->concealedMs = leg->credit = leg->clean = 0;
  leg->slack = leg->delay = NAN;
  return 1;
}

static void moved(struct leg *leg, int samples, double now, int soft) {
  leg->clean = 0;
  leg->delay += samples / 8.0;
  leg->restUntil = now + (soft ? 0 : rest_ms);
}

/* Moves the delay toward its target, a pitch period at a time. */
static void follow_delay(const struct lane *lane, struct leg *leg, double now) {
  double over = leg->delay - leg->target - 20, under = leg->target - leg->slack;
  int urgent = over > 60 || under > 60, soft = 0;
  if (now < leg->restUntil && !urgent) return;
  if (over > 8) {
    while (leg->left < shift_needs && leg->held > 0) decode_next(lane, leg);
    int gone = shorten(leg, 0, &soft);
    if (gone == 0 && urgent && (gone = shorten(leg, 1, &soft)) > 0) leg->audible++;
    if (gone == 0) return;
    leg->shortened++;
    moved(leg, -gone, now, soft);
  } else if (under > 4) {
    int added = lengthen(leg, 0, &soft);
    if (added == 0 && urgent && (added = lengthen(leg, 1, &soft)) > 0) leg->audible++;
    if (added == 0) return;
    leg->lengthened++;
    moved(leg, added, now, soft);
  }
}

static int take_rough(const struct lane *lane, struct leg *leg, int16_t *out, double now) {
  if (!leg->playing && !begin(leg, now)) return pause_sound(leg, out, 0);
  double slack = NAN;
  while (leg->left < frame) {
    slack = now - due_at(leg, leg->nextTimestamp);
    if (!decode_next(lane, leg)) return stop(leg, out);
  }
  if (leg->concealedInRow == 0) {
    if (!isnan(slack)) leg->slack = smooth(leg->slack, slack);
    leg->delay = smooth(leg->delay, now - due_at(leg, leg->nextTimestamp) + leg->left / 8);
    follow_delay(lane, leg, now);
  }
  while (leg->left < frame)
    if (!decode_next(lane, leg)) return stop(leg, out);
  shift_waiting(leg, out);
  if (leg->clean >= kept_frames && leg->left < frame && !isnan(leg->slack)) leg->rough = 0;
  return 1;
}

/* Leaves out a frame unheard: of a calm leg that holds one, or of a rough one that plays. */
static void pass_over(const struct lane *lane, struct leg *leg) {
  leg->skipped++;
  if (!leg->rough) {
    leg->held--;
    leg->lastPlayed = ((int)leg->lastPlayed + 1) & 0xffff;
    leg->nextTimestamp = (uint32_t)((uint32_t)leg->nextTimestamp + frame);
    return;
  }
  int16_t unheard[frame];
  while (leg->playing && leg->left < frame)
    if (!decode_next(lane, leg)) stop(leg, unheard);
  if (leg->playing) shift_waiting(leg, NULL);
}

/* More has come than is held: the oldest is left out. */
static void make_room(const struct lane *lane, struct leg *leg) {
  leg->passed++;
  if (!leg->rough || leg->playing) {
    pass_over(lane, leg);
    return;
  }
  leg->skipped++;
  leg->held--;
}

/* Lets the time of frames pass that were never asked for. Returns 0, and has changed nothing, where the lane cannot. */
static int skip_frames(const struct lane *lane, struct leg *leg, int frames) {
  int left = frames - (int)least(frames, leg->passed);
  if (!leg->rough && leg->held < left) {
    if (leg->noisy) return 0;
    roughen(lane, leg);
  }
  leg->timestamp = (uint32_t)((uint32_t)leg->timestamp + frame * frames);
  leg->marker = 1;
  for (int n = 0; n < left && (!leg->rough || leg->playing); n++) pass_over(lane, leg);
  return 1;
}

/* Decodes the next frame of a calm leg. Returns 0, and has changed nothing, where more is to be done than that. */
static int take_calm(const struct lane *lane, struct leg *leg, int16_t *out, double now) {
  if (leg->held == 0) return 0;
  double next = (uint32_t)((uint32_t)leg->nextTimestamp + frame);
  double slack = smooth(leg->slack, now - due_at(leg, leg->nextTimestamp));
  double delay = smooth(leg->delay, now - due_at(leg, next) + (leg->left + frame) / 8);
  double over = delay - leg->target - 20, under = leg->target - slack;
  if ((over > 8 || under > 4) && (now >= leg->restUntil || over > 60 || under > 60)) return 0;
  int played = (int)leg->lastPlayed, left = (int)leg->left;
  const int16_t *expand = lane->expand[(int)leg->law];
  const uint8_t *before = leg->packets[played % slots] + header + frame - left;
  const uint8_t *due = leg->packets[(played + 1) % slots] + header;
  for (int i = 0; i < left; i++) out[i] = expand[before[i]];
  for (int i = left; i < frame; i++) out[i] = expand[due[i - left]];
  leg->held--;
  leg->lastPlayed = (played + 1) & 0xffff;
  leg->nextTimestamp = next;
  leg->slack = slack;
  leg->delay = delay;
  return 1;
}

/* The next frame of a leg. Returns whether something is said in it, and -1, having changed nothing, where the lane cannot tell. */
static int take_frame(const struct lane *lane, struct leg *leg, int16_t *out, double now) {
  leg->passed = 0;
  if (!leg->rough) {
    if (take_calm(lane, leg, out, now)) return 1;
    if (leg->noisy) return -1;
    roughen(lane, leg);
  }
  return take_rough(lane, leg, out, now);
}

/* ---- the mix: mixer/kernel.ts, mixer/gain.ts, mixer/speakers.ts, mixer/conference.ts ---- */

WIDE static double power_of(const int16_t *samples) {
  uint64_t sum = 0;
  /* Two squares of -32768 fill the sign bit: pairs count without sign. */
  for (int i = 0; i < frame; i += 2)
    sum += (uint32_t)(samples[i] * samples[i]) + (uint32_t)(samples[i + 1] * samples[i + 1]);
  return sum / (double)frame;
}

static inline int32_t saturate(int32_t sample) { return sample > 32767 ? 32767 : sample < -32768 ? -32768 : sample; }

WIDE static void scale(int16_t *samples, int from, int to) {
  int step = ((to - from) * 256) / frame, gain = from * 256;
  for (int i = 0; i < frame; i++) samples[i] = saturate((samples[i] * ((gain + (i + 1) * step) >> 8) + unity / 2) >> 11);
}

WIDE static void add(int32_t *sum, const int16_t *samples) {
  for (int i = 0; i < frame; i++) sum[i] += samples[i];
}

WIDE static int32_t peak_of(const int32_t *sum) {
  int32_t peak = 0;
  for (int i = 0; i < frame; i++) {
    int32_t magnitude = sum[i] < 0 ? -sum[i] : sum[i];
    peak = magnitude > peak ? magnitude : peak;
  }
  return peak;
}

static int32_t bend(int32_t sum) {
  int32_t magnitude = sum < 0 ? -sum : sum;
  if (magnitude <= knee) return sum;
  double over = magnitude - knee, room = full_scale - knee;
  int32_t bent = knee + (room * over) / (over + room);
  return sum < 0 ? -bent : bent;
}

/* The sum, less `own` where there is one, bent into 16 bits. */
WIDE static void without(const int32_t *sum, const int16_t *own, int16_t *out) {
  int32_t rest[frame], loud = 0;
  for (int i = 0; i < frame; i++) {
    rest[i] = sum[i] - (own == NULL ? 0 : own[i]);
    loud |= (rest[i] > knee) | (rest[i] < -knee);
  }
  if (loud)
    for (int i = 0; i < frame; i++) rest[i] = bend(rest[i]);
  for (int i = 0; i < frame; i++) out[i] = rest[i];
}

static void encode(const struct lane *lane, int law, const int16_t *samples, uint8_t *out) {
  if (law == 0)
    for (int i = 0; i < frame; i++) out[i] = lane->compress_mu[(uint16_t)samples[i] >> 2];
  else
    for (int i = 0; i < frame; i++) out[i] = lane->compress_a[(uint16_t)samples[i] >> 3];
}

/* Automatic gain. Returns whether it has changed. */
static int follow_level(struct leg *leg, double gate) {
  if (leg->power < gate) return 0;
  if (leg->gainFrames < gain_memory) leg->gainFrames++;
  leg->gainPower += (leg->power - leg->gainPower) / leg->gainFrames;
  double level = 10 * log10((2 * leg->gainPower) / ((double)full_scale * full_scale));
  double wanted = level < -26 ? least(12, -26 - level) : level > -6 ? most(-6, -6 - level) : 0;
  double change = most(-0.1, least(0.1, wanted - leg->gainDecibels));
  leg->gainDecibels += change;
  return change != 0;
}

static struct leg *softest_of(struct leg **members, int count) {
  struct leg *softest = NULL;
  for (int n = 0; n < count; n++)
    if (members[n]->selected && (softest == NULL || members[n]->score < softest->score)) softest = members[n];
  return softest;
}

static void contend(const struct lane *lane, struct leg **members, int count, int taken, int places) {
  struct leg *softest = NULL;
  for (int n = 0; n < count; n++) {
    struct leg *leg = members[n];
    if (!leg->sounding || leg->selected || leg->score < lane->gate) continue;
    if (taken < places) {
      leg->selected = 1;
      taken++;
      softest = NULL;
      continue;
    }
    if (softest == NULL) softest = softest_of(members, count);
    if (leg->score <= softest->score * 2) continue;
    softest->selected = 0;
    leg->selected = 1;
    softest = NULL;
  }
}

/* Who is mixed, who speaks, and who leads. */
static void choose(struct lane *lane, struct parts *parts, struct conference *conference, struct leg **members, int count) {
  int sounding = 0, taken = 0, places = (int)conference->places;
  for (int n = 0; n < count; n++) {
    struct leg *leg = members[n];
    leg->score = most(leg->sounding ? leg->power : 0, leg->score * lane->release);
    if (!leg->sounding) leg->selected = 0;
    else {
      sounding++;
      if (leg->selected) taken++;
    }
  }
  if (sounding <= places)
    for (int n = 0; n < count; n++) members[n]->selected = members[n]->sounding;
  else contend(lane, members, count, taken, places);

  struct leg *leader = NULL;
  for (int n = 0; n < count; n++) {
    struct leg *leg = members[n];
    leg->activity += ((leg->selected ? leg->power : 0) - leg->activity) * 0.04;
    int speaks = leg->selected && leg->score >= lane->gate;
    leg->turning = speaks == (int)leg->speaking ? 0 : leg->turning + 1;
    if (leg->turning >= (leg->speaking ? hangover : onset)) {
      leg->speaking = speaks;
      leg->turning = 0;
      parts->turned[(int)lane->turned++] = leg - parts->legs;
    }
    if (leg->speaking && (leader == NULL || leg->activity > leader->activity)) leader = leg;
  }
  if (leader == NULL || leader->activity < lane->gate) return;
  int leads = leader - parts->legs, dominant = (int)conference->dominant;
  if (leads == dominant || (dominant >= 0 && leader->activity < parts->legs[dominant].activity * 2)) return;
  if (leads != (int)conference->challenger) {
    conference->challenger = leads;
    conference->challengedFor = 0;
  }
  if (++conference->challengedFor < dominance && dominant >= 0) return;
  conference->dominant = leads;
  conference->challenger = -1;
  parts->crowned[(int)lane->crowned++] = leads;
}

/* Room for several voices at once: mixer/headroom.ts. */
static void keep_headroom(struct conference *conference, int32_t peak) {
  double loudest = most(conference->headroomBefore, conference->headroom);
  conference->headroomBefore = conference->headroom;
  if (peak > knee) {
    conference->headroom = most(least_headroom, least(conference->headroom, floor(loudest * knee / peak)));
    conference->calmFrames = 0;
  } else if (conference->headroom < unity && ++conference->calmFrames > headroom_hold)
    conference->headroom = least(unity, conference->headroom + headroom_rise);
}

static void mix(struct lane *lane, struct parts *parts, struct conference *conference) {
  int count = lane->count;
  for (int n = 0; n < count; n++) {
    struct leg *leg = lane->members[n];
    leg->sounding = leg->streaming && (leg->speaks || leg->applied > 0);
    leg->power = leg->sounding ? power_of(lane->frames[n]) : 0;
  }
  choose(lane, parts, conference, lane->members, count);
  memset(lane->sum, 0, sizeof lane->sum);
  for (int n = 0; n < count; n++) {
    struct leg *leg = lane->members[n];
    leg->part = 0;
    if (!leg->sounding) {
      leg->applied = 0;
      continue;
    }
    if (leg->selected && conference->autoGain && follow_level(leg, lane->gate))
      leg->gain = least(largest_gain, floor(unity * pow(10, (leg->heardDb + leg->gainDecibels) / 20) + 0.5));
    int wanted = leg->selected && leg->speaks ? (int)leg->gain * (int)conference->headroom >> 11 : 0;
    int from = leg->streamed ? (int)leg->applied : wanted;
    leg->applied = wanted;
    if (wanted == 0 && from == 0) continue;
    if (wanted != unity || from != unity) scale(lane->frames[n], from, wanted);
    leg->part = 1;
    add(lane->sum, lane->frames[n]);
  }
  keep_headroom(conference, peak_of(lane->sum));
}

/* Sends what was gathered. */
static void depart(struct lane *lane) {
  int count = lane->departing, refused = 0, n = 0;
  if (count == 0) return;
  lane->departing = 0;
  if (lane->ring->descriptor >= 0) {
    for (; n < count; n++) {
      const struct departure *leaving = &lane->departures[n];
      ring_put(lane->ring, n, (int)leaving->leg->descriptor, leaving->octets, packet, (const struct sockaddr *)&leaving->to, sizeof leaving->to);
    }
    n = ring_send(lane->ring, count, lane->refused, &refused);
  }
  for (; n < count; n++) {
    const struct departure *leaving = &lane->departures[n];
    const struct sockaddr *to = (const struct sockaddr *)&leaving->to;
    if (sendto((int)leaving->leg->descriptor, leaving->octets, packet, MSG_DONTWAIT, to, sizeof leaving->to) != packet) lane->refused[refused++] = n;
  }
  for (n = 0; n < refused; n++) {
    struct leg *leg = lane->departures[lane->refused[n]].leg;
    leg->sentPackets--;
    leg->sentBytes -= frame;
    leg->sentDropped++;
  }
}

/* Writes the next packet of a leg, up to its payload, which is the caller's to write. Returns where that stands. */
static uint8_t *address(struct lane *lane, struct leg *leg) {
  if (lane->departing == gathered) depart(lane);
  struct departure *leaving = &lane->departures[lane->departing++];
  uint8_t *octets = leaving->octets;
  uint32_t sequence = (uint32_t)leg->sequence, timestamp = htonl((uint32_t)leg->timestamp), ssrc = htonl((uint32_t)leg->ssrc);
  leaving->leg = leg;
  leaving->to = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)leg->port), .sin_addr.s_addr = htonl((uint32_t)leg->address)};
  octets[0] = 0x80;
  octets[1] = (leg->marker ? 0x80 : 0) | (int)leg->payloadType;
  octets[2] = sequence >> 8;
  octets[3] = sequence;
  memcpy(octets + 4, &timestamp, 4);
  memcpy(octets + 8, &ssrc, 4);
  leg->sentPackets++;
  leg->sentBytes += frame;
  leg->sequence = (sequence + 1) & 0xffff;
  leg->timestamp = (uint32_t)((uint32_t)leg->timestamp + frame);
  leg->marker = 0;
  return octets + header;
}

/* Writes what each leg hears: for those that are carried as packets that are to leave. */
static void send_all(struct lane *lane) {
  uint8_t shared[2][frame];
  int known[2] = {0, 0};
  for (int n = 0; n < lane->count; n++) {
    struct leg *leg = lane->members[n];
    int law = (int)leg->law, gain = (int)leg->hearsGain;
    const int16_t *own = leg->part ? lane->frames[n] : NULL;
    uint8_t *payload = leg->mode == carried ? address(lane, leg) : (uint8_t *)lane->frames[n] + header;
    if (own != NULL || gain != unity) {
      without(lane->sum, own, lane->heard);
      if (gain != unity) scale(lane->heard, gain, gain);
      encode(lane, law, lane->heard, payload);
      continue;
    }
    if (!known[law]) {
      without(lane->sum, NULL, lane->heard);
      encode(lane, law, lane->heard, shared[law]);
      known[law] = 1;
    }
    memcpy(payload, shared[law], frame);
  }
}

static void collect(struct lane *lane, struct parts *parts, const struct conference *conference) {
  lane->count = 0;
  for (int at = (int)conference->first; at >= 0 && lane->count < most_members; at = (int)parts->legs[at].next)
    lane->members[lane->count++] = &parts->legs[at];
}

/* Brings the first legs of the conference that is next near the processor. */
static void fetch_next(struct lane *lane, struct parts *parts) {
  int at = (int)lane->atConference + 1;
  if (at >= lane->conferences) return;
  int leg = (int)parts->conferences[parts->order[at]].first;
  for (int n = 0; n < 3 && leg >= 0; n++) {
    fetch(&parts->legs[leg]);
    leg = (int)parts->legs[leg].next;
  }
}

static int tick(struct lane *lane, int capacity, double due, double now) {
  struct parts parts = parts_of(lane, capacity);
  double since = lane->read_at > 0 ? now - lane->read_at : 0;
  lane->handed = 0;
  for (; lane->atConference < lane->conferences; lane->atConference++) {
    struct conference *conference = &parts.conferences[parts.order[(int)lane->atConference]];
    switch (lane->phase) {
    case 0:
      if (lane->member == 0) collect(lane, &parts, conference);
      while (lane->member < lane->count) {
        int n = lane->member++;
        struct leg *leg = lane->members[n];
        if (n + 1 < lane->count) {
          fetch(lane->members[n + 1]);
          fetch_packets(lane->members[n + 1]);
        }
        if (leg->mode != carried) continue;
        int left_out = (int)lane->leftOut, sounding = -1;
        lane->skips = left_out;
        if (leg->unheard) {
          /* It only listens: its socket is read by those who wait for its first packet. */
          if (left_out > 0) leg->marker = 1;
          leg->timestamp = (uint32_t)((uint32_t)leg->timestamp + frame * left_out);
          lane->skips = sounding = 0;
        } else if (receive(lane, leg, now, since) && (left_out == 0 || skip_frames(lane, leg, left_out))) {
          lane->skips = 0;
          sounding = take_frame(lane, leg, lane->frames[n], due);
        }
        if (sounding < 0) {
          lane->leg = leg - parts.legs;
          return left_lane;
        }
        leg->streamed = leg->streaming;
        leg->streaming = sounding;
      }
      lane->phase = 1;
      if (conference->slow > 0) return pull;
      /* fall through */
    case 1:
      fetch_next(lane, &parts);
      mix(lane, &parts, conference);
      send_all(lane);
      lane->phase = 2;
      if (conference->slow > 0) return deliver;
      /* fall through */
    default:
      lane->phase = 0;
      lane->member = 0;
    }
  }
  lane->read_at = now;
  return done;
}

/* Mixes a frame of every conference in the order given, from `atConference` on: to be called until it answers that all is done.
 * @param due when the frame was due, and now: monotonic, in milliseconds */
int express_tick(struct lane *lane, int capacity, double due, double now) {
  int outcome = tick(lane, capacity, due, now);
  depart(lane);
  return outcome;
}
