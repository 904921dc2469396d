"""Texts of the questions that a survey answers."""

SURVEY = {
    "nps.title": ("Would customers recommend you?", "Порекомендуют ли вас клиенты?"),
    "nps": ("Net Promoter Score", "Индекс рекомендаций (NPS)"),
    "nps.meaning": (
        "share of promoters (9-10) less share of detractors (0-6), in points from -100 to 100",
        "доля сторонников (9–10) минус доля критиков (0–6), в пунктах от −100 до 100",
    ),
    "nps.few": (
        "only {count:count} answers; ask more customers before you act on it",
        "ответов всего {count:count}; прежде чем действовать, спросите больше клиентов",
    ),
    "answers": ("Answers", "Ответы"),
    "answers.meaning": ("the latest of each customer", "последний ответ каждого клиента"),
    "promoters": ("Promoters", "Сторонники"),
    "promoters.meaning": ("answered 9 or 10", "ответили 9 или 10"),
    "passives": ("Passives", "Нейтральные"),
    "passives.meaning": ("answered 7 or 8", "ответили 7 или 8"),
    "detractors": ("Detractors", "Критики"),
    "detractors.meaning": ("answered 0 to 6", "ответили от 0 до 6"),
    "nps.left_out": ("Not counted: {counts:reasons}.", "Не учтены: {counts:reasons}."),
    "nps.rose": (
        "The score rose: {before:points} in {earlier:text}, {now:points} in {later:text}. The change of "
        "{change:points} points ({low:points} to {high:points}) is more than chance.",
        "Оценка выросла: {before:points} за {earlier:text}, {now:points} за {later:text}. Изменение на "
        "{change:points} п. (от {low:points} до {high:points}) не случайно.",
    ),
    "nps.fell": (
        "The score fell: {before:points} in {earlier:text}, {now:points} in {later:text}. The change of "
        "{change:points} points ({low:points} to {high:points}) is more than chance.",
        "Оценка упала: {before:points} за {earlier:text}, {now:points} за {later:text}. Изменение на "
        "{change:points} п. (от {low:points} до {high:points}) не случайно.",
    ),
    "nps.same": (
        "The score was {before:points} in {earlier:text} and {now:points} in {later:text}. Chance alone can make a "
        "change of {change:points} points ({low:points} to {high:points}).",
        "Оценка: {before:points} за {earlier:text} и {now:points} за {later:text}. Изменение на {change:points} п. "
        "(от {low:points} до {high:points}) бывает и случайно.",
    ),
    "picture.nps_trend": (
        "Score of each month with its interval; a month that is not over has a hollow mark.",
        "Оценка по месяцам с границами; у незаконченного месяца пустой кружок. Числа в таблице ниже.",
    ),
    "nps_trend.month": ("month", "месяц"),
    "nps_trend.answers": ("answers", "ответы"),
    "nps_trend.score": ("score", "оценка"),
    "nps_trend.low": ("from", "от"),
    "nps_trend.high": ("to", "до"),
    "nps_trend.change": ("change", "изменение"),
    "nps_trend.change_low": ("from", "от"),
    "nps_trend.change_high": ("to", "до"),
    "nps_segments.title": ("Which segments are content, and which are not?", "Какие сегменты довольны, а какие нет?"),
    "nps_segments.segment": ("segment", "сегмент"),
    "nps_segments.answers": ("answers", "ответы"),
    "nps_segments.score": ("score", "оценка"),
    "nps_segments.low": ("from", "от"),
    "nps_segments.high": ("to", "до"),
    "nps_segments.rest": ("against the rest", "против остальных"),
    "nps_segments.rest_low": ("from", "от"),
    "nps_segments.rest_high": ("to", "до"),
    "nps_segments.p": ("p, adjusted", "p с поправкой"),
    "nps_segments.apart": (
        "Different from the rest by more than chance: {names:names}.",
        "Отличаются от остальных не случайно: {names:names}.",
    ),
    "nps_segments.alike": (
        "No segment differs from the rest by more than chance would make it.",
        "Ни один сегмент не отличается от остальных больше, чем бывает случайно.",
    ),
    "picture.nps_segments": (
        "Score of each segment with its interval.",
        "Оценка каждого сегмента с границами. Числа в таблице ниже.",
    ),
    "reasons.title": ("Why are they content, or not?", "Почему довольны или нет?"),
    "reasons.first": (
        "What detractors name most: {reason:name}, {count:count} of them, {share:percent} of those who gave a reason.",
        "Критики чаще всего называют: {reason:name}; их {count:count}, {share:percent} назвавших причину.",
    ),
    "reasons.reason": ("reason", "причина"),
    "reasons.promoters": ("promoters", "сторонники"),
    "reasons.passives": ("passives", "нейтральные"),
    "reasons.detractors": ("detractors", "критики"),
    "table.more": ("{count:count} more are not shown.", "Ещё не показаны: {count:count}."),
    "trust.title": ("Can the answers be trusted?", "Можно ли верить ответам?"),
    "flagged": ("Collectors who deserve a look", "Кого проверить из собиравших ответы"),
    "flagged.meaning": (
        "of {count:count} who collected answers: too alike, in runs or too fast",
        "из собиравших ответы ({count:count}): слишком похожие, подряд одинаковые или слишком быстрые",
    ),
    "trust.look": (
        "Look at the answers collected by {names:names} before you trust the score: they are {share:percent} of "
        "all and "
        "do not look like answers of customers.",
        "Прежде чем верить оценке, проверьте ответы, которые собрали: {names:names}. Их доля {share:percent}, и они "
        "не похожи на ответы клиентов.",
    ),
    "trust.without": (
        "Without their answers the score is {score:points} ({low:points} to {high:points}); with them it is "
        "{all:points}.",
        "Без их ответов оценка {score:points} (от {low:points} до {high:points}), с ними {all:points}.",
    ),
    "trust.clean": (
        "Nothing looks as if somebody else had filled in the answers.",
        "Нет признаков того, что ответы заполнял кто-то другой.",
    ),
    "trust.agent": ("collected by", "собрал"),
    "trust.n": ("answers", "ответы"),
    "trust.unusable": ("off the scale", "вне шкалы"),
    "trust.longest_run": ("longest run", "подряд"),
    "trust.duplicates": ("double", "двойные"),
    "trust.too_fast": ("too fast", "быстрые"),
    "trust.flags": ("what looks wrong", "что не так"),
    "flags.0": ("", ""),
    "flags.1": ("{flag_0:key}", "{flag_0:key}"),
    "flags.2": ("{flag_0:key}, {flag_1:key}", "{flag_0:key}, {flag_1:key}"),
    "flags.3": ("{flag_0:key}, {flag_1:key}, {flag_2:key}", "{flag_0:key}, {flag_1:key}, {flag_2:key}"),
    "flags.4": (
        "{flag_0:key}, {flag_1:key}, {flag_2:key}, {flag_3:key}",
        "{flag_0:key}, {flag_1:key}, {flag_2:key}, {flag_3:key}",
    ),
    "flag.too alike": ("too alike", "слишком похожи"),
    "flag.long run": ("long run", "подряд одинаковые"),
    "flag.duplicates": ("double", "двойные"),
    "flag.too fast": ("too fast", "слишком быстро"),
    "call.title": ("Whom to call, and whom to thank?", "Кому позвонить и кого поблагодарить?"),
    "to_call": ("Detractors to call", "Критики, которым позвонить"),
    "to_call.meaning": ("latest answer 0 to 6, agreed to be contacted", "последний ответ 0–6, согласны на звонок"),
    "to_thank": ("Promoters to thank", "Сторонники, кого поблагодарить"),
    "to_thank.meaning": ("latest answer 9 or 10, agreed to be contacted", "последний ответ 9–10, согласны на звонок"),
    "call.list": (
        "Their names: Responses.follow_up() in Python. Who did not agree is on neither list.",
        "Их имена даёт Responses.follow_up() в Python. Кто не согласился, в списки не входит.",
    ),
}
