"""Makes docs/pictures/prior_opening.png, the embedded prior's mouth beside its teacher's for an unheard voice:
python docs/pictures/make_opening.py"""

from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import torch

from models.adf.geometry import mouth_opening
from models.visemes.articulation import CLOSED_MM
from models.visemes.phones import BILABIAL, OPEN_VOWELS, SILENCE
from tasks.artifacts.head import read_head
from tasks.artifacts.layout import AssetFolder
from tasks.artifacts.prior import read_prior
from tasks.prior import UNHEARD
from tasks.teaching.espeak import Synthesiser
from tasks.teaching.teacher import FPS, Lesson, to_run

TEXT = "Maybe we should move to a bigger apartment. Buy me a pump for my boat, Bob."
PATH = Path(__file__).with_name("prior_opening.png")
COLOURS = dict.fromkeys(BILABIAL, "#e8b4b4") | dict.fromkeys(OPEN_VOWELS, "#bcd6ee")


def main() -> None:
    assets = AssetFolder.default()
    head = read_head(assets.open_head)
    prior, _ = read_prior(assets.adf_prior)
    voice = UNHEARD[0]
    said = Synthesiser().say(TEXT, voice)
    run = to_run(head, Lesson(voice.name, said.samples, said.phones))
    neutral = torch.zeros(head.shape_size)
    rest = float(mouth_opening(head, neutral, torch.zeros(1, run.expression.shape[1])))
    mpl.use("Agg")
    figure, axis = plt.subplots(figsize=(13, 3.2), layout="constrained")
    for phone in said.phones:
        if phone.name in COLOURS:
            axis.axvspan(phone.start, phone.stop, color=COLOURS[phone.name], linewidth=0)
        if phone.name != SILENCE:
            axis.text((phone.start + phone.stop) / 2, 17.2, phone.name.lower(), ha="center", fontsize=7)
    time = np.arange(len(run)) / FPS
    axis.plot(time, mouth_opening(head, neutral, run.expression) - rest, color="0.45", label="teacher")
    axis.plot(time, mouth_opening(head, neutral, prior(run.features, run.energy)) - rest, color="C3", label="prior")
    axis.axhline(CLOSED_MM, color="0.3", linestyle=":", linewidth=1)
    axis.set(xlim=(0, time[-1]), ylim=(-2.5, 18.5), xlabel="s", ylabel="opening over rest, mm")
    axis.legend(loc="upper right", bbox_to_anchor=(1, 0.93))
    figure.savefig(PATH, dpi=80)
    print(PATH, PATH.stat().st_size // 1000, "kB")


if __name__ == "__main__":
    main()
