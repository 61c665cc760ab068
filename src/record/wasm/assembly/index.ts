export { columnsFit } from './columns'
export { clearTable } from './keys'
export { ACCEPTS, ACCEPT_BYTES, ACCEPT_COUNT, COLUMNS, END, HITS, INPUT, INPUT_BYTES, MANY, MAX_DEPTH, MAX_HITS, MAX_RECORDS, RECORDS, TABLES, TABLE_BYTES, TABLE_COUNT, TOO_MANY } from './layout'
export { begin, count, covered, hitCount, lines, scanWindow } from './scan'
