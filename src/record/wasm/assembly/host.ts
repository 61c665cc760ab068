/** The transition for the raw key in `[start, end)` of the input; -1 if the automaton is full. */
@external("host", "stepKey")
export declare function stepKey(state: u32, start: usize, end: usize): i32

/** The transition for an element of an array; -1 if the automaton is full. */
@external("host", "stepElement")
export declare function stepElement(state: u32): i32

/** The accept set of a value with a needle, or with a trait; -1 if the automaton is full. */
@external("host", "watchedSet")
export declare function watchedSet(accept: u32, isTrait: bool): i32

/** Whether `[start, end)` of the input is valid UTF-8. */
@external("host", "isUtf8")
export declare function isUtf8(start: usize, end: usize): bool
