/** H.225.0 v8 §7.6: service control sessions and call credit. */
import { bmpString, boolean, choice, type Infer, ia5String, integer, nothing, optional, sequence } from '../asn1/asn1.ts'
import { H248SignalsDescriptor, NonStandardParameter } from './identifiers.ts'

export const CallCreditServiceControl = sequence(
  {
    amountString: optional(bmpString({ size: [1, 512] })),
    billingMode: optional(
      choice(
        {
          credit: nothing,
          debit: nothing
        },
        {}
      )
    ),
    callDurationLimit: optional(integer(1, 4_294_967_295)),
    enforceCallDurationLimit: optional(boolean),
    callStartingPoint: optional(
      choice(
        {
          alerting: nothing,
          connect: nothing
        },
        {}
      )
    )
  },
  {}
)
export type CallCreditServiceControl = Infer<typeof CallCreditServiceControl>

export const ServiceControlDescriptor = choice(
  {
    url: ia5String({ size: [0, 512] }),
    signal: H248SignalsDescriptor,
    nonStandard: NonStandardParameter,
    callCreditServiceControl: CallCreditServiceControl
  },
  {}
)
export type ServiceControlDescriptor = Infer<typeof ServiceControlDescriptor>

export const ServiceControlSession = sequence(
  {
    sessionId: integer(0, 255),
    contents: optional(ServiceControlDescriptor),
    reason: choice(
      {
        open: nothing,
        refresh: nothing,
        close: nothing
      },
      {}
    )
  },
  {}
)
export type ServiceControlSession = Infer<typeof ServiceControlSession>

export const CallCreditCapability = sequence(
  {
    canDisplayAmountString: optional(boolean),
    canEnforceDurationLimit: optional(boolean)
  },
  {}
)
export type CallCreditCapability = Infer<typeof CallCreditCapability>
