"""Texts of the command line: what is being done, and what has come of it."""

DOING = {
    "doing.studio": ("inventing a studio", "придумываю студию"),
    "doing.file": ("reading {file:text}", "читаю {file:text}"),
    "doing.days": ("finding the days of purchase", "нахожу дни покупок"),
    "doing.orders": ("counting orders and customers", "считаю заказы и клиентов"),
    "doing.cycle": ("measuring the purchase cycle", "измеряю цикл покупки"),
    "doing.repeat": ("counting repeat buyers", "считаю повторных покупателей"),
    "doing.status": ("finding who was lost", "выясняю, кто ушёл"),
    "doing.months": ("following the base month by month", "слежу за базой по месяцам"),
    "doing.cohorts": ("laying out the cohorts", "раскладываю когорты"),
    "doing.coming": ("predicting purchases", "прогнозирую покупки"),
    "doing.channels": ("comparing the channels", "сравниваю каналы"),
    "doing.subscriptions": ("following the subscriptions", "слежу за подписками"),
    "doing.survey": ("counting the answers of the survey", "считаю ответы опроса"),
    "doing.prepaid": ("opening the book of prepaid packages", "открываю книгу абонементов"),
    "doing.gap": ("playing the coming months", "разыгрываю будущие месяцы"),
    "doing.page": ("drawing the page", "рисую страницу"),
    "done.files": ("Files of a studio that does not exist: {files:text}", "Файлы выдуманной студии: {files:text}"),
    "done.page": ("The same as a page: {page:text}", "Страница: {page:text}"),
    "title.studio": ("A beauty studio", "Студия красоты"),
    "title.file": ("Customers of {file:text}", "Клиенты: {file:text}"),
}
