/** A map that mostly has one entry, for objects of which there are many: a Map for each would take most of their memory. */
export class SmallMap<K, V> {
  private key: K
  private value: V
  private others: Map<K, V> | undefined

  constructor(key: K, value: V) {
    this.key = key
    this.value = value
  }

  get(key: K): V | undefined {
    return key === this.key ? this.value : this.others?.get(key)
  }

  set(key: K, value: V): void {
    if (key === this.key) this.value = value
    else {
      this.others ??= new Map()
      this.others.set(key, value)
    }
  }
}

/** Adds an entry to a map that there may not be yet; gives the map. */
export const withEntry = <K, V>(map: SmallMap<K, V> | undefined, key: K, value: V): SmallMap<K, V> => {
  if (map === undefined) return new SmallMap(key, value)
  map.set(key, value)
  return map
}
