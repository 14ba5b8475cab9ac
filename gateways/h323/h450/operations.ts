/** H.450.2, .3, .4 and .7 as operations: their numbers, and the types of their arguments and results. */
import { InfraFabricError } from '#kernel'
import { type Pdu, pdu, type Type } from '../asn1/asn1.ts'
import {
  ActivateDiversionQArg,
  CallReroutingArg,
  CheckRestrictionArg,
  DeactivateDiversionQArg,
  DivertingLegInformation1Arg,
  DivertingLegInformation2Arg,
  DivertingLegInformation3Arg,
  DivertingLegInformation4Arg,
  InterrogateDiversionQArg,
  IntResultList
} from './diversion.ts'
import { ArgumentExtension } from './extension.ts'
import { HoldNotificArg, RemoteHoldArg, RemoteHoldRes, RemoteRetrieveArg, RemoteRetrieveRes, RetrieveNotificArg } from './hold.ts'
import { MWIActivateArg, MWIDeactivateArg, MWIDummyRes, MWIInterrogateArg, MWIInterrogateRes } from './message-waiting.ts'
import type { Invoke, ReturnResult, ROS } from './ros.ts'
import { SupplementaryService } from './supplementary-service.ts'
import {
  CTActiveArg,
  CTCompleteArg,
  CTIdentifyRes,
  CTInitiateArg,
  CTSetupArg,
  CTUpdateArg,
  SubaddressTransferArg
} from './transfer.ts'

/** One element of `h4501SupplementaryService`. */
export const supplementaryService = pdu('SupplementaryService', SupplementaryService)

export interface Operation<A, R> {
  readonly name: string
  readonly code: number
  readonly argument: Pdu<A>
  /** Absent where the operation answers nothing. */
  readonly result?: Pdu<R>
}

const operation = <A, R = never>(name: string, code: number, argument: Type<A>, result?: Type<R>): Operation<A, R> => ({
  name,
  code,
  argument: pdu(`${name}.argument`, argument),
  ...(result === undefined ? {} : { result: pdu(`${name}.result`, result) })
})

/** An argument or result that is only there for extensions, and so mostly left out. */
const Nothing = ArgumentExtension

/** @see H.450.2 §11 */
export const callTransferIdentify = operation('callTransferIdentify', 7, Nothing, CTIdentifyRes)
export const callTransferAbandon = operation('callTransferAbandon', 8, Nothing)
export const callTransferInitiate = operation('callTransferInitiate', 9, CTInitiateArg, Nothing)
export const callTransferSetup = operation('callTransferSetup', 10, CTSetupArg, Nothing)
export const callTransferActive = operation('callTransferActive', 11, CTActiveArg)
export const callTransferComplete = operation('callTransferComplete', 12, CTCompleteArg)
export const callTransferUpdate = operation('callTransferUpdate', 13, CTUpdateArg)
export const subaddressTransfer = operation('subaddressTransfer', 14, SubaddressTransferArg)

/** @see H.450.3 §11 */
export const activateDiversionQ = operation('activateDiversionQ', 15, ActivateDiversionQArg, Nothing)
export const deactivateDiversionQ = operation('deactivateDiversionQ', 16, DeactivateDiversionQArg, Nothing)
export const interrogateDiversionQ = operation('interrogateDiversionQ', 17, InterrogateDiversionQArg, IntResultList)
export const checkRestriction = operation('checkRestriction', 18, CheckRestrictionArg, Nothing)
export const callRerouting = operation('callRerouting', 19, CallReroutingArg, Nothing)
export const divertingLegInformation1 = operation('divertingLegInformation1', 20, DivertingLegInformation1Arg)
export const divertingLegInformation2 = operation('divertingLegInformation2', 21, DivertingLegInformation2Arg)
export const divertingLegInformation3 = operation('divertingLegInformation3', 22, DivertingLegInformation3Arg)
export const cfnrDivertedLegFailed = operation('cfnrDivertedLegFailed', 23, Nothing)
export const divertingLegInformation4 = operation('divertingLegInformation4', 100, DivertingLegInformation4Arg)

/** @see H.450.4 §11 */
export const holdNotific = operation('holdNotific', 101, HoldNotificArg)
export const retrieveNotific = operation('retrieveNotific', 102, RetrieveNotificArg)
export const remoteHold = operation('remoteHold', 103, RemoteHoldArg, RemoteHoldRes)
export const remoteRetrieve = operation('remoteRetrieve', 104, RemoteRetrieveArg, RemoteRetrieveRes)

/** @see H.450.7 §11 */
export const mwiActivate = operation('mwiActivate', 80, MWIActivateArg, MWIDummyRes)
export const mwiDeactivate = operation('mwiDeactivate', 81, MWIDeactivateArg, MWIDummyRes)
export const mwiInterrogate = operation('mwiInterrogate', 82, MWIInterrogateArg, MWIInterrogateRes)

/** Every operation by its code. */
export const operations: ReadonlyMap<number, Operation<unknown, unknown>> = new Map(
  [
    callTransferIdentify,
    callTransferAbandon,
    callTransferInitiate,
    callTransferSetup,
    callTransferActive,
    callTransferComplete,
    callTransferUpdate,
    subaddressTransfer,
    activateDiversionQ,
    deactivateDiversionQ,
    interrogateDiversionQ,
    checkRestriction,
    callRerouting,
    divertingLegInformation1,
    divertingLegInformation2,
    divertingLegInformation3,
    cfnrDivertedLegFailed,
    divertingLegInformation4,
    holdNotific,
    retrieveNotific,
    remoteHold,
    remoteRetrieve,
    mwiActivate,
    mwiDeactivate,
    mwiInterrogate
  ].map((known) => [known.code, known as Operation<unknown, unknown>])
)

/** Errors of H.450.1's list and of each service. @see H.450.1 §8.3.5, H.450.2 §11, H.450.3 §11, H.450.7 §11 */
export const errors = {
  userNotSubscribed: 0,
  rejectedByNetwork: 1,
  rejectedByUser: 2,
  notAvailable: 3,
  insufficientInformation: 5,
  invalidServedUserNumber: 6,
  invalidCallState: 7,
  basicServiceNotProvided: 8,
  notIncomingCall: 9,
  supplementaryServiceInteractionNotAllowed: 10,
  resourceUnavailable: 11,
  invalidDivertedNumber: 12,
  specialServiceNumber: 14,
  diversionToServedUserNumber: 15,
  numberOfDiversionsExceeded: 24,
  callFailure: 25,
  notActivated: 31,
  proceduralError: 43,
  temporarilyUnavailable: 1000,
  invalidReroutingNumber: 1004,
  unrecognizedCallIdentity: 1005,
  establishmentFailure: 1006,
  notAuthorized: 1007,
  unspecified: 1008,
  invalidMsgCentreId: 1018,
  undefined: 2002
} as const

export type ErrorName = keyof typeof errors

/** @throws {EncodeError} `h323.per.encode` */
export const invoke = <A, R>(operation: Operation<A, R>, invokeId: number, argument?: A): ROS => ({
  type: 'invoke',
  value: {
    invokeId,
    opcode: { type: 'local', value: operation.code },
    ...(argument === undefined ? {} : { argument: operation.argument.encode(argument) })
  }
})

export function returnResult<A, R>(operation: Operation<A, R>, invokeId: number, result?: R): ROS {
  if (result === undefined) return { type: 'returnResult', value: { invokeId } }
  if (operation.result === undefined) throw new InfraFabricError('h323.h450.no-result', `${operation.name} answers no result`)
  return {
    type: 'returnResult',
    value: { invokeId, result: { opcode: { type: 'local', value: operation.code }, result: operation.result.encode(result) } }
  }
}

export const returnError = (invokeId: number, error: ErrorName): ROS => ({
  type: 'returnError',
  value: { invokeId, errcode: { type: 'local', value: errors[error] } }
})

/** The operation an invoke or a result is of; undefined where it is not known here. */
export function operationOf({ opcode }: { readonly opcode: Invoke['opcode'] }): Operation<unknown, unknown> | undefined {
  return opcode.type === 'local' ? operations.get(Number(opcode.value)) : undefined
}

/**
 * Argument of an invoke; undefined where it has none.
 *
 * @throws {DecodeError} whatever PER finds
 */
export const argumentOf = <A, R>(operation: Operation<A, R>, { argument }: Invoke): A | undefined =>
  argument === undefined ? undefined : operation.argument.decode(argument)

/** @throws {DecodeError} whatever PER finds */
export const resultOf = <A, R>(operation: Operation<A, R>, { result }: ReturnResult): R | undefined =>
  result === undefined ? undefined : operation.result?.decode(result.result)

/**
 * The octets of one element of `h4501SupplementaryService`.
 *
 * @param interpretation what a peer does that does not know the operation; it rejects where this is left out
 */
export const supplementaryServiceOf = (
  apdus: readonly ROS[],
  interpretation?: 'discardAnyUnrecognizedInvokePdu' | 'clearCallIfAnyInvokePduNotRecognized' | 'rejectAnyUnrecognizedInvokePdu'
): Buffer =>
  supplementaryService.encode({
    ...(interpretation === undefined ? {} : { interpretationApdu: { type: interpretation } }),
    serviceApdu: { type: 'rosApdus', value: apdus }
  })
