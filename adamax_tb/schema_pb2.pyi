from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Layer(_message.Message):
    __slots__ = ("name", "shape", "dtype")
    NAME_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    name: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    dtype: str
    def __init__(self, name: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., dtype: _Optional[str] = ...) -> None: ...

class Head(_message.Message):
    __slots__ = ("loss", "from_logits", "activation", "units", "backend")
    LOSS_FIELD_NUMBER: _ClassVar[int]
    FROM_LOGITS_FIELD_NUMBER: _ClassVar[int]
    ACTIVATION_FIELD_NUMBER: _ClassVar[int]
    UNITS_FIELD_NUMBER: _ClassVar[int]
    BACKEND_FIELD_NUMBER: _ClassVar[int]
    loss: str
    from_logits: bool
    activation: str
    units: int
    backend: str
    def __init__(self, loss: _Optional[str] = ..., from_logits: bool = ..., activation: _Optional[str] = ..., units: _Optional[int] = ..., backend: _Optional[str] = ...) -> None: ...

class LayerTable(_message.Message):
    __slots__ = ("version", "layers", "statistics", "step_statistics", "optimizer", "hyperparameters", "every", "planned_step", "head")
    class HyperparametersEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    VERSION_FIELD_NUMBER: _ClassVar[int]
    LAYERS_FIELD_NUMBER: _ClassVar[int]
    STATISTICS_FIELD_NUMBER: _ClassVar[int]
    STEP_STATISTICS_FIELD_NUMBER: _ClassVar[int]
    OPTIMIZER_FIELD_NUMBER: _ClassVar[int]
    HYPERPARAMETERS_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    PLANNED_STEP_FIELD_NUMBER: _ClassVar[int]
    HEAD_FIELD_NUMBER: _ClassVar[int]
    version: int
    layers: _containers.RepeatedCompositeFieldContainer[Layer]
    statistics: _containers.RepeatedScalarFieldContainer[str]
    step_statistics: _containers.RepeatedScalarFieldContainer[str]
    optimizer: str
    hyperparameters: _containers.ScalarMap[str, float]
    every: int
    planned_step: int
    head: Head
    def __init__(self, version: _Optional[int] = ..., layers: _Optional[_Iterable[_Union[Layer, _Mapping]]] = ..., statistics: _Optional[_Iterable[str]] = ..., step_statistics: _Optional[_Iterable[str]] = ..., optimizer: _Optional[str] = ..., hyperparameters: _Optional[_Mapping[str, float]] = ..., every: _Optional[int] = ..., planned_step: _Optional[int] = ..., head: _Optional[_Union[Head, _Mapping]] = ...) -> None: ...
