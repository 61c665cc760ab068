/** The values of `$schema` that are supported. */
export const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/
export const DRAFT_2020_12 = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/
