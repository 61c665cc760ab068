import { systemCode } from '../../errors.ts'

/** Whether no process of this machine, or of this container, has the number. */
export function isDeadProcess(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return systemCode(error) === 'ESRCH'
  }
}
