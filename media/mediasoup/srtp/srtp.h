/*
 * The mediasoup worker is written for libsrtp 3, whose functions write to another buffer than they read; this is its interface over libsrtp 2,
 * which works in place.
 */
#ifndef INFRAFABRIC_SRTP_H
#define INFRAFABRIC_SRTP_H

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <srtp2/srtp.h>

/* Told by libsrtp 3 alone; values that no function of libsrtp 2 returns. */
#define srtp_err_status_buffer_small (static_cast<srtp_err_status_t>(1001))
#define srtp_err_status_cryptex_err (static_cast<srtp_err_status_t>(1002))

/* libsrtp 2 keeps its streams by an SSRC in network order too. */
inline srtp_err_status_t srtp_stream_remove(srtp_t session, uint32_t ssrc)
{
	return srtp_remove_stream(session, ssrc);
}

namespace InfraFabricSrtp
{
	using Transform = srtp_err_status_t (*)(srtp_t, void*, int*);

	/* SRTCP adds a word with its index and the E flag to what SRTP may add. */
	constexpr size_t SrtpGrowth{ SRTP_MAX_TRAILER_LEN };
	constexpr size_t SrtcpGrowth{ SRTP_MAX_TRAILER_LEN + 4 };

	/* Copies `in` to `out` unless they are the same, and transforms it there. `outLength` holds the room of `out`, then what was written. */
	inline srtp_err_status_t transform(
	  Transform apply, srtp_t session, const uint8_t* in, size_t length, uint8_t* out, size_t* outLength, size_t growth)
	{
		if (length > static_cast<size_t>(std::numeric_limits<int>::max()) - growth)
			return srtp_err_status_bad_param;
		if (*outLength < length + growth)
			return srtp_err_status_buffer_small;
		if (out != in)
			std::memcpy(out, in, length);

		int transformed = static_cast<int>(length);
		const srtp_err_status_t status = apply(session, out, &transformed);

		if (status == srtp_err_status_ok)
			*outLength = static_cast<size_t>(transformed);
		return status;
	}
} // namespace InfraFabricSrtp

/* No key of the worker has an identifier (MKI): the index is always 0. */
inline srtp_err_status_t srtp_protect(
  srtp_t session, const uint8_t* rtp, size_t length, uint8_t* srtp, size_t* srtpLength, size_t /*mki*/)
{
	return InfraFabricSrtp::transform(
	  ::srtp_protect, session, rtp, length, srtp, srtpLength, InfraFabricSrtp::SrtpGrowth);
}

inline srtp_err_status_t srtp_protect_rtcp(
  srtp_t session, const uint8_t* rtcp, size_t length, uint8_t* srtcp, size_t* srtcpLength, size_t /*mki*/)
{
	return InfraFabricSrtp::transform(
	  ::srtp_protect_rtcp, session, rtcp, length, srtcp, srtcpLength, InfraFabricSrtp::SrtcpGrowth);
}

inline srtp_err_status_t srtp_unprotect(
  srtp_t session, const uint8_t* srtp, size_t length, uint8_t* rtp, size_t* rtpLength)
{
	return InfraFabricSrtp::transform(::srtp_unprotect, session, srtp, length, rtp, rtpLength, 0);
}

inline srtp_err_status_t srtp_unprotect_rtcp(
  srtp_t session, const uint8_t* srtcp, size_t length, uint8_t* rtcp, size_t* rtcpLength)
{
	return InfraFabricSrtp::transform(::srtp_unprotect_rtcp, session, srtcp, length, rtcp, rtcpLength, 0);
}

#endif
