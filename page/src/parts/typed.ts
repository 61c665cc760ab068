import { useSignal } from '@preact/signals'
import type { Signal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'

/**
 * A text that is typed, and taken when nothing is typed for a moment.
 * @param text as it was taken last, or as it is from elsewhere
 */
export function useTyped(text: string, take: (text: string) => void): Signal<string> {
  const typed = useSignal(text)
  const taken = useRef(text)
  useEffect(() => {
    // More may be typed since it was taken.
    if (text !== taken.current) typed.value = text
    taken.current = text
  }, [text])
  useEffect(() => {
    if (typed.value === taken.current) return undefined
    const timer = setTimeout(() => {
      taken.current = typed.value
      take(typed.value)
    }, PAUSE)
    return () => clearTimeout(timer)
  }, [typed.value])
  return typed
}

/** Milliseconds. */
const PAUSE = 250
