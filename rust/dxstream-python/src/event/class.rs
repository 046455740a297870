//! The Python classes of the event types, made from their declarations when the module is loaded.

use std::ffi::{CString, c_int, c_uint, c_void};
use std::ptr;

use dxstream::event::{EventKind, Field};
use dxstream::store::Requirement;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::derived::Property;
use super::describe;
use super::getters::{self, FieldSlot};
use super::object::{self, Pointers};
use super::sdk::Model;
use super::slots;

/// The Python module that the classes say they are from.
const MODULE: &str = "dxstream.dxfeed";

/// The module of those whose values are of the SDK's types.
const SDK_MODULE: &str = "dxstream.compat.events";

/// A Python class of one event type.
pub(crate) struct Class {
    pub(super) kind: EventKind,
    /// What the SDK makes of the event type, for the class of that.
    pub(super) model: Option<Model>,
    /// One slot per field.
    pub(super) slots: &'static [FieldSlot],
    pub(super) pointers: Pointers,
    type_object: Py<PyType>,
    /// The class of the SDK that events say they are of.
    shown: PyOnceLock<Py<PyType>>,
}

impl Class {
    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    pub(super) fn fields(&self) -> &'static [Field] {
        self.kind.fields()
    }

    /// The event type.
    pub(crate) fn kind(&self) -> EventKind {
        self.kind
    }

    /// What listeners of the class need of the rows.
    pub(crate) fn requirements(&self) -> &'static [Requirement] {
        self.model.as_ref().map_or(&[], |model| model.requirements)
    }

    /// The class in Python.
    pub(crate) fn type_object<'py>(&self, py: Python<'py>) -> Bound<'py, PyType> {
        self.type_object.bind(py).clone()
    }

    /// The class that events say they are of, from which `isinstance` goes on: that of the SDK, once a
    /// program has it, or the class itself.
    pub(super) fn shown<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyType>> {
        if let Some(shown) = self.shown.get(py) {
            return Ok(shown.bind(py).clone());
        }
        let own = self.type_object.bind(py);
        let modules = py.import("sys")?.getattr("modules")?;
        if let Ok(events) = modules.get_item("tastytrade.dxfeed")
            && let Ok(of_sdk) = events.getattr(self.name())
            && let Ok(of_sdk) = of_sdk.cast_into::<PyType>()
            && !of_sdk.is(own)
        {
            return Ok(self.shown.get_or_init(py, || of_sdk.unbind()).bind(py).clone());
        }
        Ok(own.clone())
    }

    #[inline]
    pub(super) fn as_type_ptr(&self) -> *mut ffi::PyTypeObject {
        self.type_object.as_ptr().cast()
    }
}

struct Classes {
    bases: [Py<PyType>; 2],
    /// By the place of the event type in [`EventKind::ALL`].
    ours: Box<[Class]>,
    /// Those of the SDK's events.
    of_sdk: Box<[Class]>,
}

static CLASSES: PyOnceLock<Classes> = PyOnceLock::new();

/// The class of an event type.
///
/// # Panics
/// If [`exports`] was not called.
#[inline]
pub(super) fn of(py: Python<'_>, kind: EventKind) -> &'static Class {
    &CLASSES.get(py).expect("the module is loaded").ours[kind as usize]
}

/// The class of the SDK's event type.
///
/// # Panics
/// As [`of`].
pub(super) fn of_sdk(py: Python<'_>, kind: EventKind) -> Option<&'static Class> {
    let classes = CLASSES.get(py).expect("the module is loaded");
    classes.of_sdk.iter().find(|class| class.kind == kind)
}

/// The class whose Python type is exactly this one.
#[inline]
pub(super) fn of_type(
    py: Python<'_>,
    type_object: *mut ffi::PyTypeObject,
) -> Option<&'static Class> {
    let Classes { ours, of_sdk, .. } = CLASSES.get(py)?;
    ours.iter().chain(of_sdk).find(|class| class.as_type_ptr() == type_object)
}

/// What the module exports: the base classes, then the class of each event type.
///
/// # Errors
/// What Python says when it cannot make a class.
pub(crate) fn exports(py: Python<'_>) -> PyResult<impl Iterator<Item = &Bound<'_, PyType>>> {
    let Classes { bases, ours, .. } = CLASSES.get_or_try_init(py, || make(py))?;
    Ok(bases.iter().chain(ours.iter().map(|class| &class.type_object)).map(move |t| t.bind(py)))
}

fn make(py: Python<'_>) -> PyResult<Classes> {
    let indexed: Vec<EventKind> =
        EventKind::ALL.iter().copied().filter(|kind| kind.delivery().indexed).collect();
    let common = common_fields(EventKind::ALL);
    let common_indexed = common_fields(&indexed);
    let properties = Property::of_event(common);
    let base = make_base(py, "Event", None, describe::EVENT, properties)?;
    let properties = Property::of_indexed_event(common_indexed, common.len());
    let doc = describe::INDEXED_EVENT;
    let indexed_base = make_base(py, "IndexedEvent", Some(&base), doc, properties)?;

    let ours = EventKind::ALL.iter().map(|&kind| {
        if kind.delivery().indexed {
            make_class(py, kind, &indexed_base, common_indexed.len())
        } else {
            make_class(py, kind, &base, common.len())
        }
    });
    let ours = ours.collect::<PyResult<Box<[Class]>>>()?;
    let of_sdk = ours.iter().filter_map(|class| {
        let model = Model::of(class.kind)?;
        Some(make_sdk_class(py, class, model))
    });
    let of_sdk = of_sdk.collect::<PyResult<_>>()?;
    #[cfg(not(Py_LIMITED_API))]
    for class in &ours {
        // SAFETY: the type was made here, and nobody else has seen it.
        unsafe { (*class.as_type_ptr()).tp_flags &= !ffi::Py_TPFLAGS_BASETYPE };
    }
    Ok(Classes { bases: [base.unbind(), indexed_base.unbind()], ours, of_sdk })
}

/// The fields that all of these event types begin with.
fn common_fields(kinds: &[EventKind]) -> &'static [Field] {
    let fields = kinds[0].fields();
    let shared = |&at: &usize| {
        kinds.iter().all(|kind| kind.fields().get(at).is_some_and(|f| f.name == fields[at].name))
    };
    &fields[..(0..fields.len()).take_while(shared).count()]
}

/// Makes a base class, which has no instances of its own.
fn make_base<'py>(
    py: Python<'py>,
    name: &str,
    base: Option<&Bound<'py, PyType>>,
    doc: &str,
    properties: Vec<Property>,
) -> PyResult<Bound<'py, PyType>> {
    let getset = properties.into_iter().map(slots::property).collect();
    let mut type_slots = if base.is_none() { slots::of_event() } else { Vec::new() };
    type_slots.push(getset_slot(getset));
    let flags = ffi::Py_TPFLAGS_BASETYPE | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
    // SAFETY: the slots hold functions for events, and an object of a base class is an event.
    unsafe { make_type(py, MODULE, name, base, doc, 0, flags as c_uint, type_slots) }
}

/// Makes the class of an event type, whose base has the first `inherited` fields.
fn make_class<'py>(
    py: Python<'py>,
    kind: EventKind,
    base: &Bound<'py, PyType>,
    inherited: usize,
) -> PyResult<Class> {
    let fields = kind.fields();
    let field_slots: &'static [FieldSlot] = Vec::leak(
        fields.iter().enumerate().map(|(at, field)| FieldSlot::new(py, at, field)).collect(),
    );
    let mut getset: Vec<_> = field_slots.iter().map(FieldSlot::definition).collect();
    getset.push(getters::symbol_definition());
    getset.extend(Property::of_kind(kind, inherited).into_iter().map(slots::property));
    let mut type_slots = slots::of_kind(kind);
    type_slots.push(getset_slot(getset));
    let doc = describe::class(kind);
    // That of the SDK's events derives from it; nobody else may.
    let flags = ffi::Py_TPFLAGS_BASETYPE as c_uint;
    // SAFETY: the slots and the size are those of this event type.
    let type_object = unsafe {
        let size = object::size(fields.len()) as c_int;
        make_type(py, MODULE, kind.name(), Some(base), &doc, size, flags, type_slots)?
    };

    let annotations = PyDict::new(py);
    for field in fields {
        annotations.set_item(field.name, describe::annotation(field.kind))?;
    }
    type_object.setattr("__annotations__", annotations)?;
    type_object.setattr("fields", PyTuple::new(py, fields.iter().map(|field| field.name))?)?;
    type_object.setattr("__match_args__", (fields[0].name,))?;
    Ok(Class {
        kind,
        model: None,
        slots: field_slots,
        pointers: Pointers::of(fields),
        type_object: type_object.unbind(),
        shown: PyOnceLock::new(),
    })
}

/// Makes the class of an event type of the SDK, which derives from ours.
fn make_sdk_class(py: Python<'_>, base: &Class, model: Model) -> PyResult<Class> {
    let (kind, fields) = (base.kind, base.fields());
    let field = |at: usize| slots::property(Property::of_field(&fields[at], at));
    let mut type_slots = slots::of_kind(kind);
    type_slots.extend(slots::of_sdk());
    let class = slots::property(Property::class());
    type_slots.push(getset_slot(model.places().map(field).chain([class]).collect()));
    let doc = describe::sdk_class(kind);
    // SAFETY: the slots and the size are those of this event type.
    let type_object = unsafe {
        let size = object::size(fields.len()) as c_int;
        make_type(
            py,
            SDK_MODULE,
            kind.name(),
            Some(base.type_object.bind(py)),
            &doc,
            size,
            0,
            type_slots,
        )?
    };
    Ok(Class {
        kind,
        model: Some(model),
        slots: base.slots,
        pointers: base.pointers,
        type_object: type_object.unbind(),
        shown: PyOnceLock::new(),
    })
}

fn getset_slot(mut getset: Vec<ffi::PyGetSetDef>) -> ffi::PyType_Slot {
    getset.push(ffi::PyGetSetDef::default());
    ffi::PyType_Slot { slot: ffi::Py_tp_getset, pfunc: getset.leak().as_mut_ptr().cast() }
}

/// Makes a type, which lives as long as the process.
///
/// # Safety
/// Each slot must hold what Python wants there, and hold it for ever; its functions must be right for
/// every object of `size` bytes (0: as many as the base's) that can become an instance.
#[expect(clippy::too_many_arguments, reason = "that is what a type is made of")]
unsafe fn make_type<'py>(
    py: Python<'py>,
    module: &str,
    name: &str,
    base: Option<&Bound<'py, PyType>>,
    doc: &str,
    size: c_int,
    flags: c_uint,
    mut type_slots: Vec<ffi::PyType_Slot>,
) -> PyResult<Bound<'py, PyType>> {
    let name = leak_str(&format!("{module}.{name}"));
    let pfunc = leak_str(doc).cast_mut().cast();
    type_slots.push(ffi::PyType_Slot { slot: ffi::Py_tp_doc, pfunc });
    type_slots.push(ffi::PyType_Slot::default());
    let mut spec = ffi::PyType_Spec {
        name,
        basicsize: size,
        itemsize: 0,
        flags: ffi::Py_TPFLAGS_DEFAULT as c_uint | flags,
        slots: type_slots.as_mut_ptr(),
    };
    let bases = base.map(|base| PyTuple::new(py, [base])).transpose()?;
    let bases = bases.as_ref().map_or(ptr::null_mut(), Bound::as_ptr);
    // SAFETY: the specification and its slots outlive the call, what they point to is never freed,
    // and the caller answers for the rest. A new reference to a type comes back, or null.
    unsafe {
        let made = ffi::PyType_FromSpecWithBases(&raw mut spec, bases);
        Ok(Bound::from_owned_ptr_or_err(py, made)?.cast_into_unchecked())
    }
}

/// A C string that is never freed.
pub(super) fn leak_str(text: &str) -> *const std::ffi::c_char {
    CString::new(text).expect("declarations have no NUL").into_raw()
}

/// A value that is never freed, as the closure of a getter.
pub(super) fn leak_closure<T>(value: T) -> *mut c_void {
    ptr::from_mut(Box::leak(Box::new(value))).cast()
}
