import type { ObjectFacts } from './objects.ts'

/** The version of OCSF that events are written in. */
export const VERSION = '1.8.0'

export interface ClassFacts extends ObjectFacts {
  readonly uid: number
  readonly name: string
  /** A key of `CATEGORIES`. */
  readonly category: number
  /** Names of the activities with the numbers 1, 2, 3 …; every class has 0 (Unknown) and 99 (Other). */
  readonly activities: readonly string[]
}

export const CATEGORIES: { readonly [uid: number]: string } = {
  0: 'Uncategorized',
  1: 'System Activity',
  2: 'Findings',
  3: 'Identity & Access Management',
  4: 'Network Activity',
  5: 'Discovery',
  6: 'Application Activity',
}

/** Of the attribute `severity_id`. */
export const SEVERITIES: { readonly [id: number]: string } = {
  0: 'Unknown',
  1: 'Informational',
  2: 'Low',
  3: 'Medium',
  4: 'High',
  5: 'Critical',
  6: 'Fatal',
  99: 'Other',
}

/** Of the attribute `status_id`. */
export const STATUSES: { readonly [id: number]: string } = { 0: 'Unknown', 1: 'Success', 2: 'Failure', 99: 'Other' }

/** What every class has, beside what the transform itself fills. */
export const COMMON: Pick<ObjectFacts, 'members'> = {
  members: {
    string: 'message status status_code status_detail severity raw_data',
    integer: 'severity_id status_id count duration timezone_offset',
    time: 'time start_time end_time',
    objects: { metadata: 'metadata', cloud: 'cloud', api: 'api' },
  },
}

/** The classes of OCSF that mappings choose from: https://schema.ocsf.io/1.8.0/classes */
export const CLASSES: { readonly [name: string]: ClassFacts } = {
  account_change: {
    uid: 3001,
    name: 'Account Change',
    category: 3,
    activities: [
      'Create',
      'Enable',
      'Password Change',
      'Password Reset',
      'Disable',
      'Delete',
      'Attach Policy',
      'Detach Policy',
      'Lock',
      'MFA Factor Enable',
      'MFA Factor Disable',
      'Unlock',
    ],
    required: ['user'],
    members: {
      objects: {
        actor: 'actor',
        auth_factors: '[auth_factor]',
        http_request: 'http_request',
        policies: '[policy]',
        policy: 'policy',
        src_endpoint: 'network_endpoint',
        user: 'user',
        user_result: 'user',
      },
    },
  },
  api_activity: {
    uid: 6003,
    name: 'API Activity',
    category: 6,
    activities: ['Create', 'Read', 'Update', 'Delete'],
    required: ['actor', 'api', 'src_endpoint'],
    members: {
      objects: {
        actor: 'actor',
        dst_endpoint: 'network_endpoint',
        http_request: 'http_request',
        resources: '[resource_details]',
        src_endpoint: 'network_endpoint',
      },
    },
  },
  application_lifecycle: {
    uid: 6002,
    name: 'Application Lifecycle',
    category: 6,
    activities: ['Install', 'Remove', 'Start', 'Stop', 'Restart', 'Enable', 'Disable', 'Update'],
    required: ['app'],
    members: {
      objects: { app: 'product' },
    },
  },
  authentication: {
    uid: 3002,
    name: 'Authentication',
    category: 3,
    activities: [
      'Logon',
      'Logoff',
      'Authentication Ticket',
      'Service Ticket Request',
      'Service Ticket Renew',
      'Preauth',
      'Account Switch',
    ],
    required: ['user'],
    oneOf: ['service', 'dst_endpoint'],
    members: {
      string: 'account_switch_type auth_protocol logon_type',
      integer: 'account_switch_type_id auth_protocol_id logon_type_id',
      boolean: 'is_cleartext is_mfa is_new_logon is_remote',
      objects: {
        actor: 'actor',
        auth_factors: '[auth_factor]',
        dst_endpoint: 'network_endpoint',
        http_request: 'http_request',
        service: 'service',
        session: 'session',
        src_endpoint: 'network_endpoint',
        user: 'user',
      },
    },
  },
  authorize_session: {
    uid: 3003,
    name: 'Authorize Session',
    category: 3,
    activities: ['Assign Privileges', 'Assign Groups'],
    required: ['user'],
    members: {
      '[string]': 'privileges',
      objects: {
        actor: 'actor',
        dst_endpoint: 'network_endpoint',
        group: 'group',
        http_request: 'http_request',
        session: 'session',
        src_endpoint: 'network_endpoint',
        user: 'user',
      },
    },
  },
  base_event: {
    uid: 0,
    name: 'Base Event',
    category: 0,
    activities: [],
    members: {},
  },
  datastore_activity: {
    uid: 6005,
    name: 'Datastore Activity',
    category: 6,
    activities: ['Read', 'Update', 'Connect', 'Query', 'Write', 'Create', 'Delete', 'List', 'Encrypt', 'Decrypt'],
    required: ['actor', 'src_endpoint'],
    oneOf: ['databucket'],
    members: {
      string: 'type',
      integer: 'type_id',
      objects: {
        actor: 'actor',
        databucket: 'databucket',
        dst_endpoint: 'network_endpoint',
        http_request: 'http_request',
        src_endpoint: 'network_endpoint',
      },
    },
  },
  detection_finding: {
    uid: 2004,
    name: 'Detection Finding',
    category: 2,
    activities: ['Create', 'Update', 'Close'],
    required: ['finding_info'],
    members: {
      string: 'comment confidence impact risk_details risk_level',
      integer: 'confidence_id confidence_score impact_id impact_score risk_level_id risk_score',
      boolean: 'is_alert',
      objects: { device: 'device', finding_info: 'finding_info', resources: '[resource_details]' },
    },
  },
  device_config_state_change: {
    uid: 5019,
    name: 'Device Config State Change',
    category: 5,
    activities: ['Log', 'Collect'],
    required: ['device'],
    members: {
      string: 'prev_security_level security_level state',
      integer: 'prev_security_level_id security_level_id state_id',
      objects: { actor: 'actor', device: 'device' },
    },
  },
  entity_management: {
    uid: 3004,
    name: 'Entity Management',
    category: 3,
    activities: [
      'Create',
      'Read',
      'Update',
      'Delete',
      'Move',
      'Enroll',
      'Unenroll',
      'Enable',
      'Disable',
      'Activate',
      'Deactivate',
      'Suspend',
      'Resume',
    ],
    required: ['entity'],
    members: {
      string: 'comment',
      integer: 'access_mask',
      '[string]': 'access_list',
      objects: {
        actor: 'actor',
        entity: 'managed_entity',
        entity_result: 'managed_entity',
        http_request: 'http_request',
        src_endpoint: 'network_endpoint',
      },
    },
  },
  group_management: {
    uid: 3006,
    name: 'Group Management',
    category: 3,
    activities: [
      'Assign Privileges',
      'Revoke Privileges',
      'Add User',
      'Remove User',
      'Delete',
      'Create',
      'Add Subgroup',
      'Remove Subgroup',
    ],
    required: ['group'],
    members: {
      '[string]': 'privileges',
      objects: {
        actor: 'actor',
        group: 'group',
        http_request: 'http_request',
        resource: 'resource_details',
        src_endpoint: 'network_endpoint',
        subgroup: 'group',
        user: 'user',
      },
    },
  },
  inventory_info: {
    uid: 5001,
    name: 'Device Inventory Info',
    category: 5,
    activities: ['Log', 'Collect'],
    required: ['device'],
    members: {
      objects: { actor: 'actor', device: 'device' },
    },
  },
  software_info: {
    uid: 5020,
    name: 'Software Inventory Info',
    category: 5,
    activities: ['Log', 'Collect'],
    required: ['device'],
    members: {
      objects: { actor: 'actor', device: 'device', package: 'package', product: 'product' },
    },
  },
  user_access: {
    uid: 3005,
    name: 'User Access Management',
    category: 3,
    activities: ['Assign Privileges', 'Revoke Privileges'],
    required: ['privileges', 'user'],
    members: {
      '[string]': 'privileges',
      objects: {
        actor: 'actor',
        http_request: 'http_request',
        resource: 'resource_details',
        resources: '[resource_details]',
        src_endpoint: 'network_endpoint',
        user: 'user',
      },
    },
  },
  web_resources_activity: {
    uid: 6001,
    name: 'Web Resources Activity',
    category: 6,
    activities: ['Create', 'Read', 'Update', 'Delete', 'Search', 'Import', 'Export', 'Share'],
    required: ['web_resources'],
    members: {
      objects: {
        dst_endpoint: 'network_endpoint',
        http_request: 'http_request',
        src_endpoint: 'network_endpoint',
        web_resources: '[web_resource]',
        web_resources_result: '[web_resource]',
      },
    },
  },
}
