/** What is used of sdp-transform, which brings no types. Values that look like integers come as numbers, also where the standard has text. */
declare module 'sdp-transform' {
  type Scalar = string | number

  export interface ParsedMedia {
    readonly connection?: { readonly ip?: Scalar }
    readonly direction?: Scalar
    readonly rtcp?: { readonly port?: Scalar; readonly address?: Scalar }
    readonly rtcpMux?: Scalar
    readonly rtcpRsize?: Scalar
    readonly bundleOnly?: Scalar
    readonly bandwidth?: readonly { readonly type?: Scalar; readonly limit?: Scalar }[]
    readonly content?: Scalar
    readonly mid?: Scalar
    readonly port?: Scalar
    readonly iceUfrag?: Scalar
    readonly icePwd?: Scalar
    readonly fingerprint?: { readonly type?: Scalar; readonly hash?: Scalar }
    readonly setup?: Scalar
    readonly ext?: readonly { readonly value?: Scalar; readonly uri?: Scalar }[]
    readonly rtcpFb?: readonly { readonly payload?: Scalar; readonly type?: Scalar; readonly subtype?: Scalar }[]
    readonly ssrcs?: readonly { readonly id?: Scalar; readonly attribute?: Scalar; readonly value?: Scalar }[]
    readonly ssrcGroups?: readonly { readonly semantics?: Scalar; readonly ssrcs?: Scalar }[]
    readonly fmtp?: readonly { readonly payload?: Scalar; readonly config?: Scalar }[]
    readonly ptime?: Scalar
    readonly maxptime?: Scalar
    readonly rtp: readonly {
      readonly payload?: Scalar
      readonly codec?: Scalar
      readonly rate?: Scalar
      readonly encoding?: Scalar
    }[]
  }

  export interface ParsedSession {
    readonly connection?: { readonly ip?: Scalar }
    readonly direction?: Scalar
    readonly iceUfrag?: Scalar
    readonly icePwd?: Scalar
    readonly fingerprint?: { readonly type?: Scalar; readonly hash?: Scalar }
    readonly setup?: Scalar
    readonly groups?: readonly { readonly type?: Scalar; readonly mids?: Scalar }[]
    readonly media: readonly ParsedMedia[]
  }

  export function parse(sdp: string): ParsedSession
}
