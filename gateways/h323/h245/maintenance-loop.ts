/** H.245 v17 §C.11: maintenance loops. */
import { choice, type Infer, nothing, sequence } from '../asn1/asn1.ts'
import { LogicalChannelNumber } from './identifiers.ts'

export const MaintenanceLoopRequest = sequence(
  {
    type: choice(
      {
        systemLoop: nothing,
        mediaLoop: LogicalChannelNumber,
        logicalChannelLoop: LogicalChannelNumber
      },
      {}
    )
  },
  {}
)
export type MaintenanceLoopRequest = Infer<typeof MaintenanceLoopRequest>

export const MaintenanceLoopAck = sequence(
  {
    type: choice(
      {
        systemLoop: nothing,
        mediaLoop: LogicalChannelNumber,
        logicalChannelLoop: LogicalChannelNumber
      },
      {}
    )
  },
  {}
)
export type MaintenanceLoopAck = Infer<typeof MaintenanceLoopAck>

export const MaintenanceLoopReject = sequence(
  {
    type: choice(
      {
        systemLoop: nothing,
        mediaLoop: LogicalChannelNumber,
        logicalChannelLoop: LogicalChannelNumber
      },
      {}
    ),
    cause: choice(
      {
        canNotPerformLoop: nothing
      },
      {}
    )
  },
  {}
)
export type MaintenanceLoopReject = Infer<typeof MaintenanceLoopReject>

export const MaintenanceLoopOffCommand = sequence({}, {})
export type MaintenanceLoopOffCommand = Infer<typeof MaintenanceLoopOffCommand>
