/** So many of a thing, in words: `1 entry`, `2 entries`. */
export const countOf = (number: number, one: string, more: string): string => `${number} ${number === 1 ? one : more}`
