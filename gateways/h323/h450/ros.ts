/** H.450.1 §8.3 and X.880: remote operations. */
import { anyInteger, choice, type Infer, integer, objectIdentifier, openType, optional, sequence } from '../asn1/asn1.ts'

/** Number of an operation or error. */
export const Code = choice({
  local: anyInteger,
  global: objectIdentifier
})
export type Code = Infer<typeof Code>

/** An invocation is bounded by H.450.1's InvokeIds (0–65535); what answers it has the integer of X.880, without bounds. */
const InvokeId = anyInteger

export const Invoke = sequence({
  invokeId: integer(0, 65_535),
  linkedId: optional(InvokeId),
  opcode: Code,
  argument: optional(openType())
})
export type Invoke = Infer<typeof Invoke>

export const ReturnResult = sequence({
  invokeId: InvokeId,
  result: optional(sequence({ opcode: Code, result: openType() }))
})
export type ReturnResult = Infer<typeof ReturnResult>

export const ReturnError = sequence({
  invokeId: InvokeId,
  errcode: Code,
  parameter: optional(openType())
})
export type ReturnError = Infer<typeof ReturnError>

export const Reject = sequence({
  invokeId: InvokeId,
  problem: choice({
    general: anyInteger,
    invoke: anyInteger,
    returnResult: anyInteger,
    returnError: anyInteger
  })
})
export type Reject = Infer<typeof Reject>

export const ROS = choice({
  invoke: Invoke,
  returnResult: ReturnResult,
  returnError: ReturnError,
  reject: Reject
})
export type ROS = Infer<typeof ROS>

/** Values of the four kinds of problem. @see X.880 §9 */
export const problems = {
  general: { unrecognizedComponent: 0, mistypedComponent: 1, badlyStructuredComponent: 2 },
  invoke: {
    duplicateInvocation: 0,
    unrecognizedOperation: 1,
    mistypedArgument: 2,
    resourceLimitation: 3,
    releaseInProgress: 4,
    unrecognizedLinkedId: 5,
    linkedResponseUnexpected: 6,
    unexpectedLinkedOperation: 7
  },
  returnResult: { unrecognizedInvocation: 0, resultResponseUnexpected: 1, mistypedResult: 2 },
  returnError: {
    unrecognizedInvocation: 0,
    errorResponseUnexpected: 1,
    unrecognizedError: 2,
    unexpectedError: 3,
    mistypedParameter: 4
  }
} as const
