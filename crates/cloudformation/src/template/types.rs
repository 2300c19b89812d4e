//! How resource types are described to the engine.

use super::names::Naming;

/// A resource type: what its provider can honour. What is not listed is refused.
#[derive(Debug, Clone, Copy)]
pub struct ResourceType {
    /// The type's name, as `AWS::SQS::Queue`.
    pub name: &'static str,
    /// The properties that it takes.
    pub properties: &'static [Property],
    /// The attributes that `Fn::GetAtt` gives.
    pub attributes: &'static [&'static str],
    /// What `Ref` gives.
    pub reference: Reference,
    /// How its names are generated; none for a type whose resources have no name of their own.
    pub naming: Option<Naming>,
    /// It takes any other property and gives any attribute: what they are is known outside of the server.
    pub open: bool,
    /// An update looks at it even where its properties do not change: what they name may have.
    pub revisited: bool,
    /// CloudFormation puts tags of the system's own on it. Source: `cloudFormationSystemTags` of the resource schemas
    /// that CloudFormation publishes.
    pub system_tags: bool,
}

impl ResourceType {
    /// A type without attributes whose `Ref` is its physical id.
    pub const fn new(name: &'static str, properties: &'static [Property]) -> Self {
        Self {
            name,
            properties,
            attributes: &[],
            reference: Reference::PhysicalId,
            naming: None,
            open: false,
            revisited: false,
            system_tags: false,
        }
    }

    /// With these attributes.
    pub const fn attributes(self, attributes: &'static [&'static str]) -> Self {
        Self { attributes, ..self }
    }

    /// With a `Ref` that is not the physical id.
    pub const fn reference(self, reference: Reference) -> Self {
        Self { reference, ..self }
    }

    /// With generated names.
    pub const fn naming(self, naming: Naming) -> Self {
        Self { naming: Some(naming), ..self }
    }

    /// Taking and giving whatever there is besides.
    pub const fn open(self) -> Self {
        Self { open: true, ..self }
    }

    /// With tags of the system's own.
    pub const fn system_tags(self) -> Self {
        Self { system_tags: true, ..self }
    }

    /// Looked at by every update.
    pub const fn revisited(self) -> Self {
        Self { revisited: true, ..self }
    }

    /// Whether `Fn::GetAtt` gives an attribute of this name. One that ends with `.*` stands for all with its beginning.
    pub fn gives(&self, name: &str) -> bool {
        let matches = |known: &str| match known.strip_suffix('*') {
            Some(beginning) => name.len() > beginning.len() && name.starts_with(beginning),
            None => known == name,
        };
        self.open || self.attributes.iter().any(|known| matches(known))
    }

    /// The property of this name.
    pub fn property(&self, name: &str) -> Option<&'static Property> {
        self.properties.iter().find(|property| property.name == name)
    }
}

/// What `Ref` of a resource gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// The physical id.
    PhysicalId,
    /// The attribute of this name.
    Attribute(&'static str),
}

/// A property of a resource type, or of a structure in one.
#[derive(Debug, Clone, Copy)]
pub struct Property {
    /// The property's name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What a change of it does to the resource.
    pub update: Update,
    /// What it holds.
    pub kind: Kind,
}

impl Property {
    /// An optional property that is updated in place.
    pub const fn new(name: &'static str, kind: Kind) -> Self {
        Self { name, required: false, update: Update::NoInterruption, kind }
    }

    /// That must be there.
    pub const fn required(self) -> Self {
        Self { required: true, ..self }
    }

    /// Whose change makes a new resource.
    pub const fn replacement(self) -> Self {
        Self { update: Update::Replacement, ..self }
    }

    /// Whose change may make a new resource.
    pub const fn conditional(self) -> Self {
        Self { update: Update::Conditional, ..self }
    }
}

/// What the change of a property does to the resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Update {
    /// It is updated in place and keeps its physical id.
    NoInterruption,
    /// The provider decides, from the values.
    Conditional,
    /// A new one is made, and the old one is deleted after the update.
    Replacement,
}

/// What a property holds. Scalars are taken in each other's spelling: `"5"` for 5, `true` for `"true"`.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// Text.
    String,
    /// A 64-bit integer.
    Integer,
    /// A number with a fraction.
    Double,
    /// A boolean.
    Boolean,
    /// Any object (a policy document), or a string that holds one.
    Json,
    /// A list.
    List(&'static Kind),
    /// A mapping from strings.
    Map(&'static Kind),
    /// An object with these properties.
    Structure(&'static [Property]),
}

/// The resource types that there are.
pub trait Types {
    /// The type of this name.
    fn resource_type(&self, name: &str) -> Option<&ResourceType>;
}

impl Types for [ResourceType] {
    fn resource_type(&self, name: &str) -> Option<&ResourceType> {
        self.iter().find(|resource_type| resource_type.name == name)
    }
}

impl<T: Types + ?Sized> Types for &T {
    fn resource_type(&self, name: &str) -> Option<&ResourceType> {
        (**self).resource_type(name)
    }
}
