/** H.225.0 v8 §7.6: quality of service an endpoint asks for. */
import { choice, type Infer, nothing, sequenceOf } from '../asn1/asn1.ts'
import { QOSCapability } from '../h245/capability/multiplex.ts'

export const TransportQOS = choice(
  {
    endpointControlled: nothing,
    gatekeeperControlled: nothing,
    noControl: nothing
  },
  {
    qOSCapabilities: sequenceOf(QOSCapability, [1, 256])
  }
)
export type TransportQOS = Infer<typeof TransportQOS>
