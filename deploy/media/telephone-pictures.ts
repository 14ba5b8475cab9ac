/** Telephones with pictures: a call that offers video meets the pictures of browsers and terminals, where browsers are on. */
import type { ConferencePort } from '#kernel'
import type { Rooms } from '#media'

/** @param rooms null while browsers are off, or the suite is starting */
export const withPictures = (sound: ConferencePort, rooms: () => Pick<Rooms, 'join'> | null): ConferencePort => ({
  join: (context, request) => {
    const among = request.offer !== null && /^m=video /m.test(request.offer) ? rooms() : null
    return (among ?? sound).join(context, request)
  }
})
