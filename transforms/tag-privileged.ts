import { defineTransform, RecordPath, Type } from 'sluice'

/**
 * Marks events that change permissions. All other events, and all other members, keep their bytes.
 */
export default defineTransform({
  summary: 'Marks events of privileged administration with a member.',
  fields: {
    eventTypes: Type.Array(Type.String(), {
      default: ['admin_create', 'admin_update', 'admin_delete', 'command_run'],
      description: 'The event types that count as privileged.',
    }),
    member: RecordPath({ default: 'privileged', description: 'The member that is set to true.' }),
  },
  examples: [
    { title: 'The usual event types', config: {} },
    { title: 'Your own', config: { eventTypes: ['user_sudo_grant'], member: 'labels.privileged' } },
  ],
  create({ eventTypes, member }) {
    const privileged = new Set<unknown>(eventTypes)
    return (record) => (privileged.has(record.get('event_type')) ? record.set(member, true) : record)
  },
})
