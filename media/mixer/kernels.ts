import { type MixKernel, plainKernel } from './kernel.ts'
import { simdKernel } from './simd.ts'

/** The fastest kernel that runs here. @param octets memory for frames, at most */
export function bestKernel(octets: number): MixKernel {
  return simdKernel(octets) ?? plainKernel()
}

/** Every kernel that runs here, the plain one first. */
export function kernels(): MixKernel[] {
  const simd = simdKernel(1 << 20)
  return simd === null ? [plainKernel()] : [plainKernel(), simd]
}
