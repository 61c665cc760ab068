/** Documents like those of CloudTrail, for the benches. */

/** The text of a document of about so many bytes, in parts; records of about 1.2 KB. */
export function* cloudTrail(bytes: number): Generator<Buffer> {
  let written = 0
  for (let n = 0; written < bytes; n += 500) {
    const events = Array.from({ length: 500 }, (_, at) => JSON.stringify(event(n + at))).join(',')
    const part = Buffer.from(`${n === 0 ? '{"Records":[' : ','}${events}`)
    written += part.length
    yield part
  }
  yield Buffer.from(']}')
}

function event(n: number): object {
  const id = n.toString(16).padStart(12, '0')
  const time = new Date(Date.UTC(2024, 2, 4) + n * 100).toISOString()
  const arn = `arn:aws:sts::123456789012:assumed-role/deploy/${n % 97}`
  return {
    eventVersion: '1.10',
    userIdentity: {
      type: 'AssumedRole',
      principalId: `AROAEXAMPLE:${n % 97}`,
      arn,
      accountId: '123456789012',
      sessionContext: {
        sessionIssuer: { type: 'Role', arn: 'arn:aws:iam::123456789012:role/deploy', userName: 'deploy' },
        attributes: { creationDate: time, mfaAuthenticated: 'false' },
      },
    },
    eventTime: time,
    eventSource: ['s3.amazonaws.com', 'ec2.amazonaws.com', 'iam.amazonaws.com'][n % 3],
    eventName: ['GetObject', 'DescribeInstances', 'GetRole'][n % 3],
    awsRegion: 'eu-west-1',
    sourceIPAddress: `10.1.${n % 250}.${n % 199}`,
    userAgent: 'aws-sdk-go/1.44.0 (go1.20; linux; amd64) "exec-env/AWS_Lambda"',
    requestParameters: {
      bucketName: `bucket-${n % 31}`,
      key: `données/${id}`,
      filterSet: { items: [{ n }, { on: true }] },
    },
    responseElements: null,
    additionalEventData: {
      bytesTransferredIn: n,
      bytesTransferredOut: 0.5,
      CipherSuite: 'ECDHE-RSA-AES128-GCM-SHA256',
    },
    requestID: `REQ${id}`,
    eventID: `3038ebd2-c98a-4c65-9b6e-${id}`,
    readOnly: true,
    resources: [{ type: 'AWS::S3::Object', ARN: `arn:aws:s3:::bucket-${n % 31}/${id}` }],
    eventType: 'AwsApiCall',
    managementEvent: false,
    recipientAccountId: '123456789012',
    eventCategory: 'Data',
    tlsDetails: {
      tlsVersion: 'TLSv1.3',
      cipherSuite: 'TLS_AES_128_GCM_SHA256',
      clientProvidedHostHeader: 's3.amazonaws.com',
    },
  }
}
