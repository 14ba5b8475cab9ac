/** Error numbers of WASI preview 1 that a sandbox answers with. */
export const errno = {
  success: 0,
  access: 2,
  badDescriptor: 8,
  exists: 20,
  fault: 21,
  tooBig: 22,
  invalid: 28,
  io: 29,
  isDirectory: 31,
  loop: 32,
  tooManyFiles: 33,
  nameTooLong: 37,
  noEntry: 44,
  noSpace: 51,
  noSystemCall: 52,
  notDirectory: 54,
  notEmpty: 55,
  notPermitted: 63,
  illegalSeek: 70,
  notCapable: 76
} as const
