/**
 * The objects of OCSF 1.8.0 (https://schema.ocsf.io/1.8.0/objects) that mappings fill, and what they
 * consist of. Members with a fixed list of texts, with a pattern, and of types that no event of a
 * supported vendor has are left out.
 */
export const OBJECTS: { readonly [name: string]: ObjectFacts } = {
  account: {
    oneOf: ['name', 'uid'],
    members: {
      string: 'name type uid',
      integer: 'type_id',
      boolean: 'is_disabled is_locked is_on_premises_sync_enabled',
      '[string]': 'labels',
    },
  },
  actor: {
    oneOf: ['user', 'invoked_by', 'session', 'app_name', 'app_uid'],
    members: {
      string: 'app_name app_uid invoked_by',
      objects: { authorizations: '[authorization]', idp: 'idp', session: 'session', user: 'user' },
    },
  },
  api: {
    required: ['operation'],
    members: {
      string: 'operation version',
      objects: { group: 'group', request: 'request', response: 'response', service: 'service' },
    },
  },
  auth_factor: {
    required: ['factor_type_id'],
    members: {
      string: 'factor_type phone_number provider',
      integer: 'factor_type_id',
      boolean: 'is_hotp is_totp',
      email: 'email_addr',
      '[string]': 'security_questions',
      objects: { device: 'device' },
    },
  },
  authorization: {
    members: {
      string: 'decision',
      objects: { policy: 'policy' },
    },
  },
  cloud: {
    required: ['provider'],
    members: {
      string: 'cloud_partition project_uid provider region zone',
      objects: { account: 'account', org: 'organization' },
    },
  },
  databucket: {
    required: ['type_id'],
    oneOf: ['name', 'uid'],
    members: {
      string: 'cloud_partition criticality desc hostname name namespace region type uid uid_alt version zone',
      integer: 'size type_id',
      boolean: 'is_backed_up is_encrypted is_public',
      time: 'created_time modified_time',
      ip: 'ip',
      '[string]': 'labels',
      objects: { group: 'group', groups: '[group]', owner: 'user' },
    },
  },
  device: {
    required: ['type_id'],
    oneOf: ['ip', 'uid', 'name', 'hostname', 'instance_uid', 'interface_uid', 'interface_name'],
    members: {
      string:
        'autoscale_uid boot_uid desc domain eid hostname hypervisor iccid imei instance_uid interface_name interface_uid mac_vendor meid model name region risk_level subnet subnet_uid type udid uid uid_alt vendor_name vlan_uid vpc_uid zone',
      integer: 'risk_level_id risk_score type_id',
      boolean:
        'is_backed_up is_compliant is_managed is_mobile_account_active is_personal is_shared is_supervised is_trusted',
      time: 'boot_time created_time first_seen_time last_seen_time modified_time',
      ip: 'ip',
      '[string]': 'imei_list',
      objects: { groups: '[group]', location: 'location', org: 'organization', os: 'os', owner: 'user', pool: 'group' },
    },
  },
  feature: {
    oneOf: ['name', 'uid'],
    members: {
      string: 'name uid version',
    },
  },
  finding_info: {
    required: ['uid'],
    members: {
      string: 'desc product_uid src_url title uid uid_alt',
      integer: 'related_events_count',
      time: 'created_time first_seen_time last_seen_time modified_time',
      '[string]': 'data_sources types',
      objects: { product: 'product' },
    },
  },
  group: {
    oneOf: ['name', 'uid'],
    members: {
      string: 'desc domain name type uid uid_alt',
      '[string]': 'privileges',
    },
  },
  http_request: {
    members: {
      string: 'args referrer uid user_agent version',
      integer: 'body_length length',
      '[string]': 'x_forwarded_for',
      objects: { url: 'url' },
    },
  },
  idp: {
    oneOf: ['name', 'uid'],
    members: {
      string: 'domain issuer name protocol_name state tenant_uid uid url_string',
      integer: 'state_id',
      boolean: 'has_mfa',
      objects: { auth_factors: '[auth_factor]' },
    },
  },
  location: {
    oneOf: ['city', 'country', 'postal_code', 'region'],
    members: {
      string:
        'aerial_height city continent country desc geodetic_altitude geodetic_vertical_accuracy geohash horizontal_accuracy isp postal_code pressure_altitude provider region',
      number: 'lat long',
      boolean: 'is_on_premises',
    },
  },
  managed_entity: {
    oneOf: ['name', 'uid', 'device', 'group', 'org', 'policy', 'user'],
    members: {
      string: 'name type uid version',
      integer: 'type_id',
      objects: {
        device: 'device',
        group: 'group',
        location: 'location',
        org: 'organization',
        policy: 'policy',
        user: 'user',
      },
    },
  },
  metadata: {
    required: ['product', 'version'],
    members: {
      string:
        'correlation_uid event_code log_format log_level log_name log_provider log_source log_version original_event_uid original_time source tenant_uid type uid version',
      integer: 'sequence untruncated_size',
      boolean: 'is_truncated',
      time: 'logged_time modified_time processed_time transmit_time',
      '[string]': 'debug labels profiles',
      objects: { product: 'product' },
    },
  },
  network_endpoint: {
    oneOf: ['ip', 'uid', 'name', 'hostname', 'svc_name', 'instance_uid', 'interface_uid', 'interface_name', 'domain'],
    members: {
      string:
        'domain hostname instance_uid interface_name interface_uid isp isp_org mac_vendor name network_scope subnet_uid svc_name type uid vlan_uid vpc_uid zone',
      integer: 'network_scope_id port type_id',
      ip: 'ip',
      '[string]': 'intermediate_ips',
      objects: { location: 'location', os: 'os', owner: 'user', pool: 'group' },
    },
  },
  organization: {
    oneOf: ['name', 'uid'],
    members: {
      string: 'name ou_name ou_uid uid',
    },
  },
  os: {
    required: ['name', 'type_id'],
    members: {
      string: 'build country cpe_name edition kernel_release lang name sp_name type version',
      integer: 'cpu_bits sp_ver type_id',
    },
  },
  package: {
    required: ['name', 'version'],
    members: {
      string:
        'architecture cpe_name license license_url name package_manager package_manager_url purl release src_url type uid vendor_name version',
      integer: 'epoch type_id',
    },
  },
  policy: {
    oneOf: ['name', 'type', 'uid'],
    members: {
      string: 'desc name type uid version',
      boolean: 'is_applied',
      objects: { group: 'group' },
    },
  },
  product: {
    oneOf: ['name', 'uid'],
    members: {
      string: 'cpe_name lang name path uid url_string vendor_name version',
      objects: { feature: 'feature' },
    },
  },
  request: {
    required: ['uid'],
    members: {
      string: 'uid',
      '[string]': 'flags',
    },
  },
  resource_details: {
    oneOf: ['name', 'uid'],
    members: {
      string: 'cloud_partition criticality hostname name namespace provider region role type uid uid_alt version zone',
      integer: 'role_id',
      boolean: 'is_backed_up',
      time: 'created_time modified_time',
      ip: 'ip',
      '[string]': 'labels',
      objects: { group: 'group', owner: 'user' },
    },
  },
  response: {
    members: {
      string: 'error error_message message',
      integer: 'code',
      '[string]': 'flags',
    },
  },
  service: {
    oneOf: ['name', 'uid'],
    members: {
      string: 'name uid version',
      '[string]': 'labels',
    },
  },
  session: {
    members: {
      string: 'credential_uid expiration_reason issuer terminal uid uid_alt',
      integer: 'count',
      boolean: 'is_mfa is_remote is_vpn',
      time: 'created_time expiration_time',
    },
  },
  url: {
    oneOf: ['url_string', 'path'],
    members: {
      string: 'domain hostname path query_string resource_type scheme subdomain url_string',
      integer: 'port',
      '[string]': 'categories',
    },
  },
  user: {
    oneOf: ['account', 'name', 'uid'],
    members: {
      string: 'credential_uid display_name domain full_name name phone_number risk_level type uid uid_alt',
      integer: 'risk_level_id risk_score type_id',
      boolean: 'has_mfa',
      email: 'email_addr forward_addr',
      objects: { account: 'account', groups: '[group]', org: 'organization' },
    },
  },
  web_resource: {
    oneOf: ['name', 'uid'],
    members: {
      string: 'desc name type uid uid_alt url_string',
      time: 'created_time modified_time',
      '[string]': 'labels',
    },
  },
}

/** Types of single values. `time` is an integer: milliseconds since 1970. */
const SCALARS = ['string', 'integer', 'number', 'boolean', 'time', 'ip', 'email', '[string]'] as const
export type Scalar = (typeof SCALARS)[number]

export interface ObjectFacts {
  readonly required?: readonly string[]
  /** At least one of these must be there. */
  readonly oneOf?: readonly string[]
  /** Names by type, separated by spaces; those that are objects or lists of objects with their type. */
  readonly members: { readonly [type in Scalar]?: string } & { readonly objects?: { readonly [name: string]: string } }
}

/** The type of a member: a scalar, the name of an object, or `[name]` for a list of objects. */
export function typeOfMember({ members }: Pick<ObjectFacts, 'members'>, name: string): string | undefined {
  const { objects = {}, ...scalars } = members
  if (Object.hasOwn(objects, name)) return objects[name]
  return Object.entries(scalars).find(([, names]) => names.split(' ').includes(name))?.[0]
}

/** The names of all members. */
export function memberNames({ members }: Pick<ObjectFacts, 'members'>): string[] {
  const { objects = {}, ...scalars } = members
  return [...Object.values(scalars).flatMap((names) => names.split(' ')), ...Object.keys(objects)]
}

export function isScalar(type: string): type is Scalar {
  return (SCALARS as readonly string[]).includes(type)
}
