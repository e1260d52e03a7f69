/**
 * Bytes of the largest text. JavaScript's longest string has so many characters, and no text has more characters than bytes of UTF-8. In a module
 * of its own for threads, which load nothing that they do not need.
 */
export const maximumTextBytes = 2 ** 29 - 24
