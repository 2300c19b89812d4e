//! Permissions boundaries.

use ropeway_api::iam as api;
use ropeway_wire::{Cx, Error, Keys};

use super::IamService;
use super::access::BOUNDARY;
use crate::commands::{Name, What};
use crate::model::Kind;

/// The two operations of users or roles.
macro_rules! boundaries {
    ($kind:expr, $name:ident, $put:ident $put_in:ident $put_out:ident, $delete:ident $delete_in:ident $delete_out:ident) => {
        pub(super) async fn $put(
            iam: &IamService,
            cx: &Cx,
            input: api::$put_in,
        ) -> Result<api::$put_out, Error> {
            let mut keys = Keys::default();
            keys.add(BOUNDARY, &input.permissions_boundary);
            iam.allow_with::<api::$put_in>(cx, $kind, &input.$name, keys)?;
            let (name, boundary) = (Name($kind, input.$name), Some(input.permissions_boundary));
            iam.submit(cx, What::SetBoundary { name, boundary }).await?;
            Ok(api::$put_out {})
        }

        pub(super) async fn $delete(
            iam: &IamService,
            cx: &Cx,
            input: api::$delete_in,
        ) -> Result<api::$delete_out, Error> {
            iam.allow::<api::$delete_in>(cx, $kind, &input.$name)?;
            iam.submit(cx, What::SetBoundary { name: Name($kind, input.$name), boundary: None }).await?;
            Ok(api::$delete_out {})
        }
    };
}

boundaries!(
    Kind::User, user_name,
    put_user_permissions_boundary PutUserPermissionsBoundaryInput PutUserPermissionsBoundaryOutput,
    delete_user_permissions_boundary DeleteUserPermissionsBoundaryInput DeleteUserPermissionsBoundaryOutput
);
boundaries!(
    Kind::Role, role_name,
    put_role_permissions_boundary PutRolePermissionsBoundaryInput PutRolePermissionsBoundaryOutput,
    delete_role_permissions_boundary DeleteRolePermissionsBoundaryInput DeleteRolePermissionsBoundaryOutput
);
