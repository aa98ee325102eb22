"""What the service is sent and what it answers, as the OpenAPI document shows it.

Requests are checked against these; answers are the rows of `records`, which a test holds to
them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rectify_nlp.service import CHARACTERS

# So many issues in one request: seconds of work.
SEGMENTS = 1000
Text = Annotated[str, Field(max_length=CHARACTERS)]
Name = Annotated[str, Field(max_length=300, description="来源的名称，原样写入结果")]
Explain = Annotated[bool, Field(strict=True, description="是否给出起决定作用的词语（较慢）")]
Probability = Annotated[float, Field(ge=0, le=1)]


class Asked(BaseModel):
    """A request: a field that is not known is a mistake of the caller."""

    model_config = ConfigDict(extra="forbid")


class NoticeAsked(Asked):
    """一份通报的全文。"""

    text: Annotated[Text, Field(min_length=1, description="通报全文，纯文本或 HTML")]
    source: Name = "request"
    explain: Explain = False


class SegmentGiven(Asked):
    """一个已经切分好的问题。"""

    problem: Annotated[Text, Field(min_length=1, pattern=r"\S", description="反馈的问题")]
    measures: Annotated[Text, Field(description="整改措施和结果")] = ""
    path: Annotated[
        list[Annotated[str, Field(max_length=1000)]],
        Field(max_length=20, description="上级标题，由外到内"),
    ] = []


class SegmentsAsked(Asked):
    """一批已经切分好的问题。"""

    segments: Annotated[list[SegmentGiven], Field(min_length=1, max_length=SEGMENTS)]
    explain: Explain = False


class EvidenceOut(BaseModel):
    of: Literal["category", "status"]
    label: str
    start: Annotated[int, Field(ge=0, description="在通报全文中的位置（字符）")]
    end: int
    term: str
    weight: Annotated[float, Field(description="对得分的贡献（自然对数单位）")]


class Probabilities(BaseModel):
    category: dict[str, Probability]
    status: dict[str, Probability]


class IssueOut(BaseModel):
    """一个问题的判断结果，各字段与命令行输出相同。"""

    source: Any
    title: str | None
    publisher: str | None
    published: Annotated[str | None, Field(description="公布日期，如 2025-03-27")]
    number: Annotated[str | None, Field(description="问题在通报中的编号")]
    path: list[str]
    problem: str
    measures: str
    category: Annotated[str | None, Field(description="类别；null 表示模型不作判断")]
    category_p: Probability
    also: list[str]
    status: Annotated[str | None, Field(description="状态：通报写明的优先，否则为模型判断")]
    status_p: Probability
    status_source: Literal["stated", "predicted"]
    stated_text: str | None
    doubtful: Annotated[bool, Field(description="写明的状态与文本明显不符")]
    p: Probabilities
    evidence: list[EvidenceOut] | None = None


class TotalsOut(BaseModel):
    issues: int | None
    by_status: dict[str, int]


class NoticeOut(BaseModel):
    """一份通报及其全部问题。"""

    source: str
    title: str | None
    publisher: str | None
    published: str | None
    index_number: str | None
    document_number: str | None
    url: str | None
    sha256: str
    model: str
    warnings: list[str]
    stated_totals: TotalsOut
    issues: list[IssueOut]


class FailureOut(BaseModel):
    """没有读成的一份材料。"""

    source: str
    error: str


class NoticesOut(BaseModel):
    results: Annotated[list[NoticeOut | FailureOut], Field(description="与上传的文件顺序相同")]


class SegmentsOut(BaseModel):
    model: str
    results: list[IssueOut | FailureOut]


class Problem(BaseModel):
    """错误说明（RFC 9457）。"""

    type: str = "about:blank"
    title: str
    status: int
    detail: Annotated[str, Field(description="错在哪里、怎样改正")]


class Health(BaseModel):
    status: Literal["live", "ready"]


class ModelOut(BaseModel):
    """所用的模型。"""

    name: str
    fingerprint: str
    package: Annotated[str, Field(description="rectify-nlp 的版本")]
    categories: list[str]
    statuses: list[str]
    trained_on: dict[str, Any]
    measured: Annotated[dict[str, Any], Field(description="留出检验所得的各项指标")]


# -- Open Inference Protocol (KServe v2) ---------------------------------------------------


InputName = Literal["problem", "measures"]
OutputName = Literal[
    "category", "category_p", "status", "status_p", "status_source", "stated_text", "doubtful"
]


class TensorAsked(BaseModel):
    """一组文本，一项一个问题。"""

    name: Annotated[InputName, Field(description="problem，以及可选的 measures")]
    shape: Annotated[
        list[Annotated[int, Field(ge=0, strict=True)]],
        Field(min_length=1, max_length=2, description="[n] 或 [n, 1]"),
    ]
    datatype: Literal["BYTES"]
    parameters: dict[str, Any] | None = None
    data: Annotated[
        list[Text | Annotated[list[Text], Field(min_length=1, max_length=1)]],
        Field(max_length=SEGMENTS, description="n 个文本"),
    ]


class OutputAsked(BaseModel):
    name: OutputName
    parameters: dict[str, Any] | None = None


class InferAsked(BaseModel):
    """推理请求。"""

    id: Annotated[str | None, Field(max_length=300)] = None
    parameters: dict[str, Any] | None = None
    inputs: Annotated[list[TensorAsked], Field(min_length=1, max_length=2)]
    outputs: Annotated[list[OutputAsked] | None, Field(max_length=7)] = None


class TensorOut(BaseModel):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class InferOut(BaseModel):
    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[TensorOut]


class TensorOf(BaseModel):
    name: str
    datatype: str
    shape: list[int]


class InferModel(BaseModel):
    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorOf]
    outputs: list[TensorOf]


class InferServer(BaseModel):
    name: str
    version: str
    extensions: list[str]


class Live(BaseModel):
    live: bool


class Ready(BaseModel):
    ready: bool


class ModelReady(BaseModel):
    name: str
    ready: bool


class InferError(BaseModel):
    error: str
