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
            redirect: $input.website_redirect_location.take(),
        })
    };
}

/// Says in an answer how an object is encrypted under a key that the service keeps.
macro_rules! show_managed {
    ($output:expr, $sse:expr, $bucket:expr) => {{
        let (sse, bucket): ($crate::model::Sse, &$crate::model::Bucket) = ($sse, $bucket);
        let algorithm = if sse.kms { $crate::ops::KMS } else { $crate::ops::AES256 };
        if sse.customer.is_none() {
            $output.server_side_encryption = Some(algorithm.to_owned());
        }
        $output.ssekms_key_id = sse.kms.then(|| bucket.managed_key());
        $output.bucket_key_enabled = sse.bucket_key.then_some(true);
    }};
}

/// Says in an answer how an object is encrypted, and under which customer's key.
macro_rules! show_encryption {
    ($output:expr, $sse:expr, $bucket:expr, $customer:expr) => {{
        let customer: Option<&$crate::customer::CustomerKey> = $customer;
        show_managed!($output, $sse, $bucket);
        $output.sse_customer_algorithm = customer.map(|_| $crate::ops::AES256.to_owned());
        $output.sse_customer_key_md5 = customer.map(|key| key.md5().to_owned());
    }};
}

/// The headers of a customer's key.
macro_rules! customer_headers {
    ($input:expr) => {
        $crate::customer::Headers {
            algorithm: $input.sse_customer_algorithm.as_deref(),
            key: $input.sse_customer_key.as_deref(),
            md5: $input.sse_customer_key_md5.as_deref(),
        }
    };
}

/// The headers of the customer's key of a copy's source.
macro_rules! source_headers {
    ($input:expr) => {
        $crate::customer::Headers {
            algorithm: $input.copy_source_sse_customer_algorithm.as_deref(),
            key: $input.copy_source_sse_customer_key.as_deref(),
            md5: $input.copy_source_sse_customer_key_md5.as_deref(),
        }
    };
}

/// The access control list that a new object is to have; who asks for one must be allowed to set it.
macro_rules! acl_of_object {
    ($cx:expr, $input:expr) => {
        $crate::ops::access::asked_of_object(
            $cx,
            (&$input.bucket, &$input.key),
            $input.acl.as_deref(),
            &grants!($input, None),
        )
    };
}

/// The `x-amz-grant-*` headers.
macro_rules! grants {
    ($input:expr, $write:expr) => {
        [
            ($crate::acl::Permission::FullControl, $input.grant_full_control.as_deref()),
            ($crate::acl::Permission::Read, $input.grant_read.as_deref()),
            ($crate::acl::Permission::Write, $write),
            ($crate::acl::Permission::ReadAcp, $input.grant_read_acp.as_deref()),
            ($crate::acl::Permission::WriteAcp, $input.grant_write_acp.as_deref()),
        ]
    };
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
