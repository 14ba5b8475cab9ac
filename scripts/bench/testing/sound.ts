/** Phones that talk, as the benchmark of the media plane has them. */
export { codecNamed } from '../../../media/codec/codecs.ts'
export { openPhones, startLoad as startSound, talk } from '../../../media/testing/scene.ts'
