/* A bare UDP echo, the measure of the RTP socket layer: epoll, recvfrom, sendto, nothing else.
 *
 *     bare-echo <first port> <sockets>
 *
 * Writes "ready" and, at the end of its standard input, the packets echoed and the microseconds of processor time they took. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int count, char **arguments) {
  if (count != 3) return 2;
  int first = atoi(arguments[1]), sockets = atoi(arguments[2]);
  int set = epoll_create1(0);
  for (int n = 0; n < sockets; n++) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(first + n)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address)) return 1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(set, EPOLL_CTL_ADD, fd, &event);
  }
  struct epoll_event input = {.events = EPOLLIN, .data.fd = 0};
  epoll_ctl(set, EPOLL_CTL_ADD, 0, &input);
  puts("ready");
  fflush(stdout);
  struct rusage before, after;
  getrusage(RUSAGE_SELF, &before);
  unsigned long packets = 0;
  for (;;) {
    struct epoll_event events[512];
    int ready = epoll_wait(set, events, 512, -1);
    for (int n = 0; n < ready; n++) {
      if (events[n].data.fd == 0) {
        getrusage(RUSAGE_SELF, &after);
        long us = (after.ru_utime.tv_sec - before.ru_utime.tv_sec + after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000 +
                  after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec - before.ru_stime.tv_usec;
        printf("%lu %ld\n", packets, us);
        return 0;
      }
      char packet[2048];
      struct sockaddr_in from;
      socklen_t length = sizeof from;
      ssize_t octets = recvfrom(events[n].data.fd, packet, sizeof packet, 0, (struct sockaddr *)&from, &length);
      if (octets >= 0 && sendto(events[n].data.fd, packet, octets, 0, (struct sockaddr *)&from, length) == octets) packets++;
    }
  }
}
