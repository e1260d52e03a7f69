/**
 * User names, passwords and tokens that stand in addresses: how to tell that an address carries them, and how to take them out of a
 * text before it is stored or shown.
 */

// Every repetition has a bound, so that no text takes long to look through.

/** `scheme://user:password@`. Greedy, so that an `@` in a password does not end it. */
const userinfo = /\b([a-z][a-z0-9+.-]{0,20}:\/\/)([^\s/"'`<>]{0,4000})@/gi

/** A password with a slash in it, which no program reads as one, but which is a secret all the same. A port is not meant. */
const brokenUserinfo =
  /\b([a-z][a-z0-9+.-]{0,20}:\/\/)([^\s/:@"'`<>]{0,200}:(?!\d+(?:\/|$))[^\s@"'`<>]{0,1000})@/gi

const secretParameter =
  /([?&](?:[a-z0-9_.-]{0,40}(?:token|password|passwd|secret|signature|credential|api_?key|access_?key)|auth|sig|key|pwd)=)[^\s&;#"'`<>]+/gi

/** The user of an ssh address is part of it, as in `ssh://git@example.com`; a password, or any user of another scheme, is a secret. */
const isSecret = (scheme: string, user: string): boolean =>
  user !== "" && user !== "***" && !(/^(git\+)?ssh:/i.test(scheme) && !user.includes(":"))

/** The text, with `***` in place of credentials in the addresses that it holds. */
export const withoutCredentials = (text: string): string =>
  text
    .replace(userinfo, (whole, scheme: string, user: string) =>
      isSecret(scheme, user) ? `${scheme}***@` : whole
    )
    .replace(brokenUserinfo, (whole, scheme: string, user: string) =>
      isSecret(scheme, user) ? `${scheme}***@` : whole
    )
    .replace(secretParameter, "$1***")

/** Whether an address holds a user and password, or a token. */
export const carriesCredentials = (address: string): boolean => withoutCredentials(address) !== address
