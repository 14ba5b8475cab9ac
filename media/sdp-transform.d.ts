/** What is used of sdp-transform, which brings no types. Values that look like integers come as numbers, also where the standard has text. */
declare module 'sdp-transform' {
  type Scalar = string | number

  export interface ParsedMedia {
    readonly connection?: { readonly ip?: Scalar }
    readonly direction?: Scalar
    readonly rtcp?: { readonly port?: Scalar }
    readonly rtcpMux?: Scalar
    readonly fmtp?: readonly { readonly payload?: Scalar; readonly config?: Scalar }[]
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
    readonly media: readonly ParsedMedia[]
  }

  export function parse(sdp: string): ParsedSession
}
