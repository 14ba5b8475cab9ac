"""An independent NDI program (ndi-python): sends or receives on this machine and tells in JSON lines what it did.

    peer.py send NAME FRAMES      UYVY 640x360, 30 a second, sound of 440 Hz and one metadata frame a second
    peer.py flash NAME SECONDS    dark, and once a second ten pictures of white with a tone of 1 kHz
    peer.py receive NAME FRAMES   takes so many pictures, then tells what came
"""
import hashlib
import json
import math
import sys
import time

import NDIlib as ndi
import numpy as np

WIDTH, HEIGHT = 640, 360


def tell(**facts):
    print(json.dumps(facts), flush=True)


def picture(number):
    """A ramp that moves, with grain: nothing that a codec keeps as it is."""
    lines = np.arange(HEIGHT, dtype=np.int64)[:, None]
    columns = np.arange(WIDTH * 2, dtype=np.int64)[None, :]
    return ((lines * 3 + columns * 5 + number * 7 + (lines * columns) % 13) % 200 + 16).astype(np.uint8)


def send(name, frames):
    settings = ndi.SendCreate()
    settings.ndi_name = name
    settings.clock_video = True
    sender = ndi.send_create(settings)
    tell(event="sending")
    deadline = time.monotonic() + 20
    while ndi.send_get_no_connections(sender, 100) == 0 and time.monotonic() < deadline:
        pass
    tally = ndi.Tally()
    on_air = False
    for number in range(frames):
        video = ndi.VideoFrameV2()
        pixels = picture(number)
        video.data = pixels.reshape(HEIGHT, WIDTH, 2)
        video.FourCC = ndi.FOURCC_VIDEO_TYPE_UYVY
        video.xres, video.yres = WIDTH, HEIGHT
        video.line_stride_in_bytes = WIDTH * 2
        video.frame_rate_N, video.frame_rate_D = 30, 1
        video.timecode = number * 333333
        ndi.send_send_video_v2(sender, video)
        audio = ndi.AudioFrameV3()
        times = (np.arange(1600) + number * 1600) / 48000
        audio.data = np.stack([np.sin(2 * math.pi * 440 * times), np.zeros(1600)]).astype(np.float32)
        audio.sample_rate, audio.no_channels, audio.no_samples = 48000, 2, 1600
        audio.channel_stride_in_bytes = 1600 * 4
        audio.FourCC = ndi.FOURCC_AUDIO_TYPE_FLTP
        ndi.send_send_audio_v3(sender, audio)
        if number % 30 == 5:
            metadata = ndi.MetadataFrame()
            metadata.data = f'<peer frame="{number}"/>'
            ndi.send_send_metadata(sender, metadata)
        if ndi.send_get_tally(sender, tally, 0):
            on_air = on_air or tally.on_program
    answer = ndi.MetadataFrame()
    came = ndi.send_capture(sender, answer, 0) == ndi.FRAME_TYPE_METADATA
    tell(event="sent", frames=frames, onProgram=on_air, metadata=answer.data if came else None)
    time.sleep(0.5)
    ndi.send_destroy(sender)


def flash(name, seconds):
    settings = ndi.SendCreate()
    settings.ndi_name = name
    settings.clock_video = True
    sender = ndi.send_create(settings)
    tell(event="sending")
    dark = np.tile(np.array([128, 30], dtype=np.uint8), WIDTH * HEIGHT).reshape(HEIGHT, WIDTH, 2)
    light = np.tile(np.array([128, 230], dtype=np.uint8), WIDTH * HEIGHT).reshape(HEIGHT, WIDTH, 2)
    for number in range(30 * seconds):
        bright = number % 30 < 10
        audio = ndi.AudioFrameV3()
        times = (np.arange(1600) + number * 1600) / 48000
        audio.data = (0.5 * bright * np.sin(2 * math.pi * 1000 * times)).astype(np.float32).reshape(1, 1600)
        audio.sample_rate, audio.no_channels, audio.no_samples = 48000, 1, 1600
        audio.channel_stride_in_bytes = 1600 * 4
        audio.FourCC = ndi.FOURCC_AUDIO_TYPE_FLTP
        video = ndi.VideoFrameV2()
        video.data = light if bright else dark
        video.FourCC = ndi.FOURCC_VIDEO_TYPE_UYVY
        video.xres, video.yres = WIDTH, HEIGHT
        video.line_stride_in_bytes = WIDTH * 2
        video.frame_rate_N, video.frame_rate_D = 30, 1
        video.timecode = number * 333333
        # the clock of the sender waits in the picture: what is heard goes out beside it
        ndi.send_send_audio_v3(sender, audio)
        ndi.send_send_video_v2(sender, video)
    ndi.send_destroy(sender)
    tell(event="sent")


def find(name):
    settings = ndi.FindCreate()
    settings.extra_ips = "127.0.0.1"
    finder = ndi.find_create_v2(settings)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        ndi.find_wait_for_sources(finder, 200)
        for source in ndi.find_get_current_sources(finder):
            if f"({name})" in source.ndi_name:
                return source
    raise SystemExit(f"no source {name}")


def receive(name, frames):
    settings = ndi.RecvCreateV3()
    settings.source_to_connect_to = find(name)
    settings.color_format = ndi.RECV_COLOR_FORMAT_UYVY_BGRA
    receiver = ndi.recv_create_v3(settings)
    tally = ndi.Tally()
    tally.on_program = True
    ndi.recv_set_tally(receiver, tally)
    question = ndi.MetadataFrame()
    question.data = '<peer asks="more"/>'
    hashes, samples, texts, told, size = {}, 0, [], False, None
    loudest, lightest, darkest = 0.0, 0, 255
    deadline = time.monotonic() + 30
    while len(hashes) < frames and time.monotonic() < deadline:
        kind, video, audio, metadata = ndi.recv_capture_v3(receiver, 200)
        if kind == ndi.FRAME_TYPE_VIDEO:
            size = [video.xres, video.yres]
            luma = int(np.asarray(video.data).reshape(video.yres, -1)[video.yres // 2, video.xres + 1])
            lightest, darkest = max(lightest, luma), min(darkest, luma)
            hashes[str(video.timecode)] = hashlib.sha256(np.ascontiguousarray(video.data).tobytes()).hexdigest()
            ndi.recv_free_video_v2(receiver, video)
            if not told:
                told = ndi.recv_send_metadata(receiver, question)
        elif kind == ndi.FRAME_TYPE_AUDIO:
            samples += audio.no_samples
            loudest = max(loudest, float(np.abs(np.asarray(audio.data)).max()))
            ndi.recv_free_audio_v3(receiver, audio)
        elif kind == ndi.FRAME_TYPE_METADATA:
            texts.append(metadata.data)
            ndi.recv_free_metadata(receiver, metadata)
    tell(event="received", frames=len(hashes), size=size, hashes=hashes, samples=samples, metadata=texts,
         loudest=loudest, lightest=lightest, darkest=darkest)
    ndi.recv_destroy(receiver)


if __name__ == "__main__":
    {"send": send, "flash": flash, "receive": receive}[sys.argv[1]](sys.argv[2], int(sys.argv[3]))
