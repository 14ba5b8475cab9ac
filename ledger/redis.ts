/** The way to a Redis server, for others that keep their state there. */
export { parseRedisUrl, placeOf } from './store/redis-address.ts'
export { asking, type Client, checkServer, connect, faultText, keysOf, redisError } from './store/redis-connection.ts'
