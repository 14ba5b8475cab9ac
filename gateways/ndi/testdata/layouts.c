/* The structures of the NDI 6 runtime that the binding uses, declared from the SDK's documentation. Prints each one's size and offsets as JSON. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct source { const char *name; const char *urlAddress; };
struct findCreate { bool showLocalSources; const char *groups; const char *extraAddresses; };
struct receiveCreate { struct source source; int colorFormat; int bandwidth; bool allowFields; const char *receiverName; };
struct sendCreate { const char *name; const char *groups; bool clockVideo; bool clockAudio; };
struct video {
  int width; int height; uint32_t fourCC; int frameRateN; int frameRateD; float pictureAspectRatio; int frameFormat;
  int64_t timecode; uint8_t *data; union { int lineStride; int dataSize; }; const char *metadata; int64_t timestamp;
};
struct audio {
  int sampleRateHz; int channels; int samples; int64_t timecode; uint32_t fourCC; uint8_t *data;
  union { int channelStride; int dataSize; }; const char *metadata; int64_t timestamp;
};
struct metadata { int length; int64_t timecode; char *data; };
struct tally { bool onProgram; bool onPreview; };
struct performance { int64_t videoFrames; int64_t audioFrames; int64_t metadataFrames; };

#define BEGIN(s) printf("\"" #s "\":{\"size\":%zu,\"offsets\":{", sizeof(struct s))
#define FIELD(s, f) printf("\"" #f "\":%zu,", offsetof(struct s, f))
#define LAST(s, f) printf("\"" #f "\":%zu}}", offsetof(struct s, f))

int main(void) {
  putchar('{');
  BEGIN(source); FIELD(source, name); LAST(source, urlAddress); putchar(',');
  BEGIN(findCreate); FIELD(findCreate, showLocalSources); FIELD(findCreate, groups); LAST(findCreate, extraAddresses); putchar(',');
  BEGIN(receiveCreate); FIELD(receiveCreate, source); FIELD(receiveCreate, colorFormat); FIELD(receiveCreate, bandwidth);
  FIELD(receiveCreate, allowFields); LAST(receiveCreate, receiverName); putchar(',');
  BEGIN(sendCreate); FIELD(sendCreate, name); FIELD(sendCreate, groups); FIELD(sendCreate, clockVideo); LAST(sendCreate, clockAudio); putchar(',');
  BEGIN(video); FIELD(video, width); FIELD(video, height); FIELD(video, fourCC); FIELD(video, frameRateN); FIELD(video, frameRateD);
  FIELD(video, pictureAspectRatio); FIELD(video, frameFormat); FIELD(video, timecode); FIELD(video, data); FIELD(video, lineStride);
  FIELD(video, metadata); LAST(video, timestamp); putchar(',');
  BEGIN(audio); FIELD(audio, sampleRateHz); FIELD(audio, channels); FIELD(audio, samples); FIELD(audio, timecode); FIELD(audio, fourCC);
  FIELD(audio, data); FIELD(audio, channelStride); FIELD(audio, metadata); LAST(audio, timestamp); putchar(',');
  BEGIN(metadata); FIELD(metadata, length); FIELD(metadata, timecode); LAST(metadata, data); putchar(',');
  BEGIN(tally); FIELD(tally, onProgram); LAST(tally, onPreview); putchar(',');
  BEGIN(performance); FIELD(performance, videoFrames); FIELD(performance, audioFrames); LAST(performance, metadataFrames);
  puts("}");
  return 0;
}
