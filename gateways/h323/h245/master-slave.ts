/** H.245 v17 §C.2: master-slave determination. */
import { choice, type Infer, integer, nothing, sequence } from '../asn1/asn1.ts'

export const MasterSlaveDetermination = sequence(
  {
    terminalType: integer(0, 255),
    statusDeterminationNumber: integer(0, 16_777_215)
  },
  {}
)
export type MasterSlaveDetermination = Infer<typeof MasterSlaveDetermination>

export const MasterSlaveDeterminationAck = sequence(
  {
    decision: choice({
      master: nothing,
      slave: nothing
    })
  },
  {}
)
export type MasterSlaveDeterminationAck = Infer<typeof MasterSlaveDeterminationAck>

export const MasterSlaveDeterminationReject = sequence(
  {
    cause: choice(
      {
        identicalNumbers: nothing
      },
      {}
    )
  },
  {}
)
export type MasterSlaveDeterminationReject = Infer<typeof MasterSlaveDeterminationReject>

export const MasterSlaveDeterminationRelease = sequence({}, {})
export type MasterSlaveDeterminationRelease = Infer<typeof MasterSlaveDeterminationRelease>
