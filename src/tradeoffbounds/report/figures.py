def draw_figures(record, folder):
    pass
