/** A value that RFC 8259 can write and RFC 8785 can canonicalise: no undefined, no NaN, no Infinity, no bigint. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }
export type JsonObject = { readonly [key: string]: Json }
