"""How the time to split grows with hostile text: doubled, it may at most triple.

    python scripts/growth.py

Each text repeats one piece that some pattern of the grammar could stumble over, as one
line, as many lines, or within a notice. The figure is the least of several runs for each
length. Exit status 1 where one more than triples.
"""

import sys
import time

from rectify_nlp import notice_from_text, split

PIECES = (
    "一、", "(一)", "1.", "(1)", "①", "一是", "问题1:", "第一，", "1.2.", "二〇二三年", "2023年",
    "关于“", "”的问题", "关于“落实不到位”的问题，", "对落实不到位的问题，", "针对", "“", "”", "(", "）", "《",
    "整改情况：", "完成情况：已完成", "整改进度:", "反馈问题：", "责任单位：", "整改 情 况 ：", "（已完成）",
    "该问题已完成整改。", "不到位", "落实不到位，", "不到位的问题", "未", "没有", "存在", "重", "以", "以重轻代",
    "下一步，党委将持续", "欢迎监督", "特此通报", "反馈问题10个", "共", "已完成", "预计", "，", "。", "：", " ", "\u3000",
    "党", "關(guān)於(yú)", "一、关于问题的整改情况。", "1.工作不到位。整改情况：开展检查。", "聚焦", "方面",
    "●", "——关于不到位的问题。", "联系电话： ", "\n联系电话：\n某村支部\n2024年9月10日\n某村整改情况\n", "2 不到位",
    "对第1个问题，",
)  # fmt: skip
LEADS = (
    "",
    "关于巡察整改情况的通报\n根据要求，现将巡察反馈意见整改情况通报如下。\n一、整改情况\n1.",
)
ENDS = ("", "\n")
SIZE = 20_000
ROUNDS = 2
# Below this a ratio says nothing.
FLOOR_SECONDS = 0.02


def seconds(text: str) -> float:
    notice = notice_from_text(text, "growth")
    times = []
    for _ in range(ROUNDS):
        start = time.process_time()
        split(notice)
        times.append(time.process_time() - start)
    return min(times)


def main() -> int:
    worst = (0.0, "")
    for piece in PIECES:
        for lead in LEADS:
            for end in ENDS:
                unit = piece + end
                half = lead + unit * (SIZE // len(unit))
                whole = lead + unit * (2 * SIZE // len(unit))
                short = seconds(half)
                long = seconds(whole)
                ratio = long / max(short, FLOOR_SECONDS)
                if ratio > 3:
                    print(
                        f"{ratio:.1f} times for twice the text: {lead[:6]!r} {unit!r} * n, {long:.2f} s"
                    )
                worst = max(worst, (ratio, f"{unit!r} behind {len(lead)} characters"))
    print(f"worst: {worst[0]:.1f} times for twice the text, with {worst[1]}")
    return int(worst[0] > 3)


if __name__ == "__main__":
    sys.exit(main())
