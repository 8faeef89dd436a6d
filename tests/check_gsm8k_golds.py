import json, re, sys, pathlib, collections, time
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import judge
def clean(a):
    a=re.sub(r"<<[^>]*>>","",a)
    return re.sub(r"\n?####\s*(.*)", r"\nThe answer is \1.", a)
t=time.process_time(); n=bad=0; st=0; c=collections.Counter()
for s in ("train","test"):
    for i,l in enumerate(open(f"{sys.argv[1]}/{s}.jsonl"),1):
        a=json.loads(l)["answer"]; g=a.split("####")[1].strip().replace(",",""); n+=1
        v=judge.number(clean(a),g,False)
        if not v.ok: print("EXTRACT",s,i,v,g)
        for x in judge.steps(clean(a)): c[x.right]+=1
        v=judge.number(clean(a),g,True)
        if not v.ok:
            bad+=1; x=v.reason
            ln=[k for k in clean(a).split("\n") if v.reason.split("=")[-1].strip() in judge.plain(k)]
            print(s,i,v.reason,"|||",(ln or [""])[0][:200])
print(n,bad,bad/n,c,time.process_time()-t)
