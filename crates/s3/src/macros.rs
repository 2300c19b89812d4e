//! What structures with the same members have in common: the generated ones share no trait.

/// The answer of a command, which must be of this variant.
macro_rules! answer {
    ($submitted:expr, $pattern:pat => $value:expr) => {
        match $submitted.await? {
            $pattern => $value,
            _ => return Err($crate::error::internal("a command with another one's answer")),
        }
    };
}

/// What a request says of an object that it writes.
macro_rules! attributes {
    ($input:expr) => {
        $crate::ops::attributes($crate::model::Attributes {
            content_type: $input.content_type.take(),
            cache_control: $input.cache_control.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            expires: $input.expires.take(),
            metadata: $input.metadata.take().unwrap_or_default(),
        })
    };
}

/// Says in an answer how an object is encrypted.
macro_rules! show_encryption {
    ($output:expr, $sse:expr, $bucket:expr) => {{
        let (sse, bucket): ($crate::model::Sse, &$crate::model::Bucket) = ($sse, $bucket);
        let algorithm = if sse.kms { $crate::ops::KMS } else { $crate::ops::AES256 };
        $output.server_side_encryption = Some(algorithm.to_owned());
        $output.ssekms_key_id = sse.kms.then(|| bucket.managed_key());
        $output.bucket_key_enabled = sse.bucket_key.then_some(true);
    }};
}

/// What a request asks the object that it writes to be locked by.
macro_rules! lock_of {
    ($cx:expr, $input:expr) => {
        $crate::ops::lock::asked(
            $cx,
            (&$input.bucket, &$input.key),
            $input.object_lock_mode.as_deref(),
            $input.object_lock_retain_until_date,
            $input.object_lock_legal_hold_status.as_deref(),
        )
    };
}

/// The conditions of a read.
macro_rules! read_if {
    ($input:expr) => {
        $crate::conditions::ReadIf {
            matches: $input.if_match.take(),
            none_matches: $input.if_none_match.take(),
            modified_since: $input.if_modified_since,
            unmodified_since: $input.if_unmodified_since,
        }
    };
}

/// The conditions on a copy's source.
macro_rules! source_if {
    ($input:expr) => {
        $crate::conditions::ReadIf {
            matches: $input.copy_source_if_match.take(),
            none_matches: $input.copy_source_if_none_match.take(),
            modified_since: $input.copy_source_if_modified_since,
            unmodified_since: $input.copy_source_if_unmodified_since,
        }
    };
}
