//! What the generated constants must hold, whatever the models say.

use ropeway_api::{apigateway, cloudformation, firehose, iam, s3, sns, sqs, sts};
use ropeway_wire::schema::Service;
use ropeway_wire::validate;

const SERVICES: [&Service; 8] = [
    &apigateway::SERVICE,
    &cloudformation::SERVICE,
    &firehose::SERVICE,
    &iam::SERVICE,
    &s3::SERVICE,
    &sns::SERVICE,
    &sqs::SERVICE,
    &sts::SERVICE,
];

/// A pattern that cannot be compiled would be a 500 when a request meets it.
#[test]
fn every_pattern_compiles() {
    for service in SERVICES {
        assert_eq!(validate::unsupported_pattern(service), None, "{}", service.id);
    }
}

/// The router and the dispatch go by names: none may stand twice, listed or refused.
#[test]
fn every_operation_has_one_name() {
    for service in SERVICES {
        let listed = service.operations.iter().map(|o| o.name);
        let mut names: Vec<&str> = listed.chain(service.refused_operations.iter().map(|o| o.name)).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{}", service.id);
    }
}
