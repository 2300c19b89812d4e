//! Configurations of buckets that are not implemented: a PUT is refused by name, and a GET answers as S3
//! does for a bucket that has none.

use ropeway_api::s3::*;
use ropeway_wire::{Cx, Error};

use crate::{S3Service, target};

fn missing(code: &'static str, message: &str) -> Error {
    Error::new(404, code, message)
}

fn no_configuration() -> Error {
    missing("NoSuchConfiguration", "The specified configuration does not exist.")
}

/// The same for both generations of the metadata configuration: there is one at most.
fn no_metadata() -> Error {
    missing("MetadataConfigurationNotFound", "The metadata configuration does not exist.")
}

/// Operations that look whether the bucket is there, and answer always the same.
macro_rules! unset {
    ($($operation:ident: $input:ident -> $output:ident = $answer:expr;)*) => {
        $(pub(super) async fn $operation(
            service: &S3Service,
            cx: &Cx,
            input: $input,
        ) -> Result<$output, Error> {
            let found = target(cx, &input.bucket, input.expected_bucket_owner.as_ref());
            service.bucket(cx, found).await?;
            $answer
        })*
    };
}

unset! {
    delete_bucket_analytics_configuration: DeleteBucketAnalyticsConfigurationInput
        -> DeleteBucketAnalyticsConfigurationOutput = Err(no_configuration());
    delete_bucket_intelligent_tiering_configuration: DeleteBucketIntelligentTieringConfigurationInput
        -> DeleteBucketIntelligentTieringConfigurationOutput = Err(no_configuration());
    delete_bucket_inventory_configuration: DeleteBucketInventoryConfigurationInput
        -> DeleteBucketInventoryConfigurationOutput = Err(no_configuration());
    delete_bucket_metadata_configuration: DeleteBucketMetadataConfigurationInput
        -> DeleteBucketMetadataConfigurationOutput = Err(no_metadata());
    delete_bucket_metadata_table_configuration: DeleteBucketMetadataTableConfigurationInput
        -> DeleteBucketMetadataTableConfigurationOutput = Err(no_metadata());
    delete_bucket_metrics_configuration: DeleteBucketMetricsConfigurationInput
        -> DeleteBucketMetricsConfigurationOutput = Err(no_configuration());
    delete_bucket_replication: DeleteBucketReplicationInput -> DeleteBucketReplicationOutput
        = Ok(DeleteBucketReplicationOutput::default());
    get_bucket_abac: GetBucketAbacInput -> GetBucketAbacOutput = Ok(GetBucketAbacOutput {
        abac_status: Some(AbacStatus { status: Some("Disabled".to_owned()) }),
    });
    get_bucket_accelerate_configuration: GetBucketAccelerateConfigurationInput
        -> GetBucketAccelerateConfigurationOutput = Ok(GetBucketAccelerateConfigurationOutput::default());
    get_bucket_analytics_configuration: GetBucketAnalyticsConfigurationInput
        -> GetBucketAnalyticsConfigurationOutput = Err(no_configuration());
    get_bucket_intelligent_tiering_configuration: GetBucketIntelligentTieringConfigurationInput
        -> GetBucketIntelligentTieringConfigurationOutput = Err(no_configuration());
    get_bucket_inventory_configuration: GetBucketInventoryConfigurationInput
        -> GetBucketInventoryConfigurationOutput = Err(no_configuration());
    get_bucket_metadata_configuration: GetBucketMetadataConfigurationInput
        -> GetBucketMetadataConfigurationOutput = Err(no_metadata());
    get_bucket_metadata_table_configuration: GetBucketMetadataTableConfigurationInput
        -> GetBucketMetadataTableConfigurationOutput = Err(no_metadata());
    get_bucket_metrics_configuration: GetBucketMetricsConfigurationInput
        -> GetBucketMetricsConfigurationOutput = Err(no_configuration());
    get_bucket_replication: GetBucketReplicationInput -> GetBucketReplicationOutput
        = Err(missing("ReplicationConfigurationNotFoundError", "The replication configuration was not found"));
    list_bucket_analytics_configurations: ListBucketAnalyticsConfigurationsInput
        -> ListBucketAnalyticsConfigurationsOutput = Ok(ListBucketAnalyticsConfigurationsOutput {
            is_truncated: Some(false),
            ..Default::default()
        });
    list_bucket_intelligent_tiering_configurations: ListBucketIntelligentTieringConfigurationsInput
        -> ListBucketIntelligentTieringConfigurationsOutput
        = Ok(ListBucketIntelligentTieringConfigurationsOutput {
            is_truncated: Some(false),
            ..Default::default()
        });
    list_bucket_inventory_configurations: ListBucketInventoryConfigurationsInput
        -> ListBucketInventoryConfigurationsOutput = Ok(ListBucketInventoryConfigurationsOutput {
            is_truncated: Some(false),
            ..Default::default()
        });
    list_bucket_metrics_configurations: ListBucketMetricsConfigurationsInput
        -> ListBucketMetricsConfigurationsOutput = Ok(ListBucketMetricsConfigurationsOutput {
            is_truncated: Some(false),
            ..Default::default()
        });
}
